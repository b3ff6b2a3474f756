"""Were the studies that we see selected by their results? Models of the selection, and what the answer would be without it."""

from .model import selection_model
from .profile import selection_interval, selection_profile

__all__ = ["selection_interval", "selection_model", "selection_profile"]
