"""All measures by their short name. The documentation, the choices of the app and the tests derive from it."""

from __future__ import annotations

from ...base.options import choose
from . import catalogue_associations, catalogue_changes, catalogue_means, catalogue_tables
from .measure import Measure

MEASURES: dict[str, Measure] = {
    measure.id: measure
    for catalogue in (catalogue_tables, catalogue_means, catalogue_associations, catalogue_changes)
    for measure in catalogue.MEASURES
}


def find_measure(id: str) -> Measure:
    """The measure with that short name; OptionError with the nearest name if there is none."""
    return MEASURES[choose(id, MEASURES, what="measure")]


def families() -> dict[str, tuple[Measure, ...]]:
    """Measures by family, in the order of the documentation."""
    found: dict[str, list[Measure]] = {}
    for measure in MEASURES.values():
        found.setdefault(measure.family, []).append(measure)
    return {family: tuple(measures) for family, measures in found.items()}
