"""What a measure is, as data: its columns, choices, scale and formula."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

import numpy as np

To = Literal["only0", "all", "if0all", "none"]
Pair = tuple[np.ndarray, np.ndarray]
Inputs = Mapping[str, np.ndarray]
TO: tuple[To, ...] = ("only0", "all", "if0all", "none")


class Choices(TypedDict, total=False):
    """The keyword arguments of `effect_size`; see `Options` for their meaning."""

    vtype: str
    correct: bool
    add: float
    to: To
    drop00: bool
    flip: bool


@dataclass(frozen=True)
class Options:
    """How a measure is computed.

    vtype : which estimator of the sampling variance; the measure lists its own.
    correct : apply the measure's small-sample correction.
    add, to : constant added to the cells of tables (events of rates) and to which studies: those with a zero
        (``only0``), ``all``, all if any has a zero (``if0all``) or ``none``.
    drop00 : studies without events, or with only events, in both groups yield no effect.
    flip : exchange the groups: the sign (of a probability of superiority: its complement) is turned round.
    """

    vtype: str
    correct: bool = True
    add: float = 0.5
    to: To = "only0"
    drop00: bool = False
    flip: bool = False


@dataclass(frozen=True)
class Column:
    """One input of a measure.

    name : plain name; alias : the name in metafor's escalc, accepted as well.
    required : False if another column can stand for it; `low`, `high` bound the possible values
        (`low` itself is impossible if `open_low`).
    """

    name: str
    alias: str
    meaning: str
    required: bool = True
    low: float = -np.inf
    high: float = np.inf
    open_low: bool = False


@dataclass(frozen=True)
class Measure:
    """One effect-size measure.

    id : metafor's short name, e.g. ``"SMD"``; name : the field's plain name; family : heading in the documentation.
    columns : inputs; compute : columns and options to (y, v), vectorised, NaN where not defined.
    scale : what `y` is measured in; back : name in `back_scales.TRANSFORMS` to read it ("" if y is read as it is).
    vtypes : variance estimators, the default first; add, to : default continuity correction (add 0 = none).
    mirror : what `flip` does: ``sign`` or ``complement`` (1 - y); "" where there are no two groups.
    formula, when, source : for the documentation; example : one row of inputs for the worked example.
    """

    id: str
    name: str
    family: str
    columns: tuple[Column, ...]
    compute: Callable[[Inputs, Options], Pair]
    scale: str
    formula: str
    when: str
    source: str
    back: str = ""
    vtypes: tuple[str, ...] = ("LS",)
    add: float = 0.0
    corrects: bool = False
    mirror: Literal["sign", "complement", ""] = ""
    example: Mapping[str, float] = field(default_factory=dict)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.required)


# The meaning of each variance estimator, for the documentation and for error messages.
VTYPES: dict[str, str] = {
    "MO": "exact variance of Morris (2008), with the estimate in place of the parameter",
    "LS": "large-sample approximation at the estimate",
    "LS2": "large-sample approximation, uncorrected estimate times the squared correction factor",
    "UB": "unbiased estimate of the variance",
    "AV": "large-sample approximation at the average of all studies, weighted by size",
    "HO": "assuming equal standard deviations (homoscedastic)",
    "AVHO": "average over studies and groups, equal coefficients of variation",
    "H0": "under the null hypothesis of no effect",
    "ST": "groups of fixed size (stratified sampling)",
    "CS": "group sizes left to chance (cross-sectional sampling)",
    "MAX": "the largest variance that is possible for this value",
}
