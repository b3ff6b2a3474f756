"""Leaving out each effect or study, or adding one after the other."""

from .cumulative import cumulative
from .influence import influence
from .leave_one_out import leave_one_out

__all__ = ["cumulative", "influence", "leave_one_out"]
