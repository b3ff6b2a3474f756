"""All figures of an analysis, by key, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..base.options import choose
from ..records import Analysis
from .bias import risk_of_bias
from .course import course
from .forest import forest, forest_effects
from .funnel import funnel
from .layout import Layout
from .leave_one_out import leave_one_out
from .overview import overview
from .picture import picture
from .prisma import prisma
from .sensitivity import sensitivity
from .subgroups import subgroups

FIGURES: Mapping[str, Callable[[Analysis], tuple[Layout, ...]]] = {
    "prisma": prisma,
    "forest-overview": overview,
    "forest": forest,
    "forest-effects": forest_effects,
    "subgroups": subgroups,
    "course": course,
    "funnel": funnel,
    "funnel-size": lambda analysis: funnel(analysis, against="size"),
    "sensitivity": sensitivity,
    "leave-one-out": leave_one_out,
    "risk-of-bias": risk_of_bias,
}
# figures of single diagnostics: key -> (name in `Analysis.diagnostics`, kind of figure)
OF_DIAGNOSTICS: Mapping[str, tuple[str, str]] = {
    "influence": ("influence", ""),
    "cumulative": ("cumulative", ""),
    "trim-and-fill": ("trim-and-fill", ""),
    "selection": ("selection", ""),
    "worst-case": ("worst-case", ""),
    "calibration": ("calibration", "coverage"),
    "power": ("calibration", "power"),
    "multiverse": ("multiverse", "curve"),
    "multiverse-movement": ("multiverse", "movement"),
}
EFFECTS_SHOWN = (
    400  # pooled effects above which "every effect" is a table's job: its figure would fill 10 pages
)


def figure(analysis: Analysis, name: str) -> tuple[Layout, ...]:
    """The pages of one figure (a key of `FIGURES` or `OF_DIAGNOSTICS`); () when the review has nothing for it.

    Raises OptionError for an unknown name.
    """
    choose(name, (*FIGURES, *OF_DIAGNOSTICS), what="figure")
    if name in FIGURES:
        return FIGURES[name](analysis)
    diagnostic, kind = OF_DIAGNOSTICS[name]
    record = analysis.diagnostics.get(diagnostic)
    return () if record is None else (replace(picture(record, kind), key=name),)


def all_figures(analysis: Analysis) -> dict[str, Layout]:
    """Key -> layout of every figure that the review has data for; further pages have keys ``forest-2`` and so on."""
    layouts: dict[str, Layout] = {}
    for name in (*FIGURES, *OF_DIAGNOSTICS):
        if name == "forest-effects" and analysis.effects.k > EFFECTS_SHOWN:
            continue
        layouts |= {layout.key: layout for layout in figure(analysis, name)}
    return layouts
