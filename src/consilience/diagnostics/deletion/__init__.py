"""Leaving out each effect or study, or adding one after the other."""

from .cumulative import cumulative
from .influence import influence
from .leave_one_out import leave_one_out
from .pieces import hat_matrix

__all__ = ["cumulative", "hat_matrix", "influence", "leave_one_out"]
