"""One possible effect of one comparison, before it is standardised; and the standardisation of all of them at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..records import Step
from .ppc import VarianceKind, sampling_terms

if TYPE_CHECKING:
    from .arm_view import ArmView

NAN = float("nan")
OUT_OF_RANGE = (
    "out-of-range",
    "The numbers give no finite effect with a positive variance: check units, n and r.",
)


@dataclass(slots=True)
class Candidate:
    """A way to an effect: treated minus control, in printed units.

    rank : order of preference, lower is better.
    code, group, route : stable id, its family and a short sentence, all for the reader.
    cells : which printed cells it uses; candidates that use the same ones are no second opinion.
    difference, sd : effect = J * difference / sd.
    part_t, part_c : each arm's share of Var(difference)/sd^2.
    basis : ``change`` (baseline is in it) or ``final``; ``event`` for ln OR based ones.
    exactness : ``g`` (sd was estimated: J and the variance of g), ``smd`` (standardised as printed, no J) or
        ``fixed`` (the variance is all in the parts).
    imputed : (kind, what was done) for every number that was filled in, see `imputation`.
    arms : what the route saw of the treated and the control arm; trace : numbers on the way that are not in there.
    """

    rank: int
    code: str
    group: str
    route: str
    cells: str
    difference: float
    sd: float
    n_t: float
    n_c: float
    part_t: float
    part_c: float
    basis: str
    r: float = NAN
    r_source: str = "not needed"
    assumptions: tuple[str, ...] = ()
    exactness: str = "g"
    scale: str = ""
    arm_rows: tuple[int, ...] = ()
    contrast_row: int = -1
    arms: tuple[ArmView, ArmView] | None = None
    trace: tuple[Step, ...] = ()
    imputed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Failure:
    """Why one way did not yield an effect, with the arms or contrast rows that it would have used."""

    code: str
    reason: str
    arm_rows: tuple[int, ...] = ()
    contrast_rows: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Standardised:
    """(k,) arrays: effect, variance and the arms' shares of it; the rest of v belongs to the SD.

    j, a, h : y = j difference/sd, v = a (part_t + part_c of the candidate) + h y^2.
    """

    y: np.ndarray
    v: np.ndarray
    part_t: np.ndarray
    part_c: np.ndarray
    j: np.ndarray
    a: np.ndarray
    h: np.ndarray

    @property
    def usable(self) -> np.ndarray:
        """(k,) True where the effect is finite and its variance positive."""
        result: np.ndarray = np.isfinite(self.y) & np.isfinite(self.v) & (self.v > 0)
        return result


def standardise(candidates: Sequence[Candidate], variance: VarianceKind) -> Standardised:
    """Effect sizes and sampling variances of all candidates, vectorised. Formulas: `ppc.sampling_terms`."""
    pick = {
        name: np.array([getattr(c, name) for c in candidates], dtype=float)
        for name in ("difference", "sd", "n_t", "n_c", "part_t", "part_c")
    }
    exactness = np.array([c.exactness for c in candidates], dtype=object)
    n = pick["n_t"] + pick["n_c"]
    j, a, h = sampling_terms(n, variance)
    is_g = exactness == "g"
    j, a = np.where(is_g, j, 1.0), np.where(is_g, a, 1.0)
    with np.errstate(all="ignore"):
        h = np.select([is_g, exactness == "smd"], [h, 1 / (2 * n)], default=0.0)
        y = j * pick["difference"] / pick["sd"]
        part_t, part_c = a * pick["part_t"], a * pick["part_c"]
        return Standardised(y, part_t + part_c + h * y**2, part_t, part_c, j, a, h)


def both_known(*values: float) -> bool:
    """True if every number is known."""
    return not any(math.isnan(value) for value in values)
