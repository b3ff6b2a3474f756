"""Example reviews that come with the package: `immune` (22 real trials) and `planted` (simulated, truth known)."""

from .estimand import TrueAnswer, truth_of
from .examples import copy_example, examples
from .planted import drawn_trials, planted, write_planted
from .truth import MARKERS, Marker, Truth

__all__ = [
    "MARKERS",
    "Marker",
    "TrueAnswer",
    "Truth",
    "copy_example",
    "drawn_trials",
    "examples",
    "planted",
    "truth_of",
    "write_planted",
]
