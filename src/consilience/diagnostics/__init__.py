"""Fit -> one small record each: influence, small-study effects, selection, resampling and what they say of an answer."""
