"""The tables of a review's diagnostics: each record by the builder that print() uses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ..records import Analysis, Table
from .build_calibration import calibration_table, selected_table
from .build_influence import influence_table, refitted_table
from .build_multiverse import alternatives_table, movement_table

# key of the table -> (name in `Analysis.diagnostics`, what builds it)
DIAGNOSTICS: Mapping[str, tuple[str, Callable[[Any], Table]]] = {
    "influence": ("influence", influence_table),
    "cumulative": ("cumulative", refitted_table),
    "calibration": ("calibration", calibration_table),
    "calibration-selected": ("calibration", selected_table),
    "multiverse": ("multiverse", alternatives_table),
    "multiverse-movement": ("multiverse", movement_table),
}


def diagnostics_tables(analysis: Analysis) -> list[Table]:
    """Those whose record the review has."""
    return [
        replace(build(analysis.diagnostics[name]), key=key)
        for key, (name, build) in DIAGNOSTICS.items()
        if name in analysis.diagnostics
    ]
