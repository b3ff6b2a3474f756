"""Effect-size measures: a registry as data, and the entry that computes any of them."""

from .back import read_back
from .compute import effect_size
from .measure import VTYPES, Column, Measure, Options
from .registry import MEASURES, families, find_measure

__all__ = [
    "MEASURES",
    "VTYPES",
    "Column",
    "Measure",
    "Options",
    "effect_size",
    "families",
    "find_measure",
    "read_back",
]
