"""Everything a contour-enhanced funnel draws, as a record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeVar

import numpy as np

from ...base.distributions import normal_isf
from ...base.errors import InputError
from ...base.options import choose
from ...models import fit
from ...records import Effects, Fit, Note, Spec
from ...records.small_study import NAN, Funnel, FunnelLine, TrimAndFill
from .limit_meta import limit_meta
from .pet_peese import pet_peese
from .studies import question_of
from .trim_and_fill import trim_and_fill

Extra = Literal["trim-and-fill", "pet-peese", "limit"]
T = TypeVar("T")
EXTRAS: tuple[Extra, ...] = ("trim-and-fill", "pet-peese", "limit")


def funnel(data: Fit | Effects, *, show: Sequence[Extra] = (), level: float = 0.95) -> Funnel:
    """The effects against their standard errors around the pooled effect, with what is asked for in `show`.

    Parameters
    ----------
    data : any fit (the pooled effect is its first coefficient), or effects (random effects, REML).
    show : ``"trim-and-fill"`` adds the mirrored studies, ``"pet-peese"`` the line or curve that the conditional rule takes,
        ``"limit"`` the line of a limit meta-analysis. What cannot be done for these data is left out with a note.
    level : of the pseudo-limits, pooled effect -/+ z se.

    Raises
    ------
    OptionError for something else in `show`; InputError for effects that cannot be pooled.
    """
    for name in show:
        choose(name, EXTRAS, what="Part of a funnel")
    question = question_of(data)
    spec = Spec.che() if question.dependent else Spec.random_effects()
    pooled = data if isinstance(data, Fit) else fit(question.effects, spec)
    effects = question.effects
    lines: list[FunnelLine] = []
    notes: list[Note] = []
    filled: TrimAndFill | None = None
    if "trim-and-fill" in show:
        filled = _tried(lambda: trim_and_fill(data), "trim-and-fill", notes)
    if "pet-peese" in show:
        lines += _tried(lambda: [_pet_peese_line(data)], "pet-peese", notes) or []
    if "limit" in show:
        lines += _tried(lambda: [_limit_line(data)], "limit", notes) or []
    return Funnel(
        y=effects.y,
        se=np.sqrt(effects.v),
        study=effects.study,
        measure=effects.measure,
        estimate=float(pooled.coefficients.estimate[0]),
        tau2=pooled.components.total,
        z=float(normal_isf((1 - level) / 2)),
        level=level,
        added_y=np.empty(0) if filled is None else filled.added_y,
        added_se=np.empty(0) if filled is None else np.sqrt(filled.added_v),
        filled_estimate=NAN if filled is None else float(filled.filled.coefficients.estimate[0]),
        lines=tuple(lines),
        notes=tuple(notes),
    )


def _tried(make: Callable[[], T], what: str, notes: list[Note]) -> T | None:
    try:
        return make()
    except InputError as error:
        notes.append(Note(error.code, "info", f"No {what}: {error.message}"))
        return None


def _pet_peese_line(data: Fit | Effects) -> FunnelLine:
    found = pet_peese(data)
    line = found.estimate
    return FunnelLine(line.name, line.estimate, line.slope, 1.0 if line.name == "PET" else 2.0)


def _limit_line(data: Fit | Effects) -> FunnelLine:
    """Expected effect of a study in a limit meta-analysis: beta + alpha sqrt(se^2 + tau^2)."""
    found = limit_meta(data)
    return FunnelLine("limit", found.beta, found.alpha, 1.0, found.tau2)
