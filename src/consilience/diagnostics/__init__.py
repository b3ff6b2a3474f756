"""Fit -> one small record each: influence, small-study effects, selection, resampling and what they say of an answer."""

from .deletion import cumulative, influence, leave_one_out

__all__ = ["cumulative", "influence", "leave_one_out"]
