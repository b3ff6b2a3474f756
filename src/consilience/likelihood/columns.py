"""Columns of the effects as random terms need them: of the right length, without gaps, numbers where numbers are meant."""

from __future__ import annotations

import math

import numpy as np

from ..base.errors import InputError
from ..base.linalg import numbers
from ..records import Effects


def column(effects: Effects, name: str) -> np.ndarray:
    """A column of the effects; InputError ``unknown-column`` (names the known ones) or ``shape``."""
    if name != "study" and name not in effects.columns:
        known = ", ".join(("study", *effects.columns))
        raise InputError(f'The effects have no column "{name}"; there are: {known}.', code="unknown-column")
    values = np.asarray(effects[name])
    if values.shape != (effects.k,):
        raise InputError(
            f'The column "{name}" has shape {values.shape}; needed are {effects.k} values.', code="shape"
        )
    return values


def whole_column(effects: Effects, name: str) -> np.ndarray:
    """A column without gaps; InputError ``missing-values`` names the rows."""
    values = column(effects, name)
    missing = [i for i, value in enumerate(values.tolist()) if _is_missing(value)]
    if missing:
        rows = ", ".join(str(i + 1) for i in missing[:5])
        raise InputError(
            f'The column "{name}" is missing in row {rows}.',
            code="missing-values",
            advice="Leave such rows out before fitting: effects.take(rows), and the same rows of the design.",
        )
    return values


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def finite_column(effects: Effects, name: str) -> np.ndarray:
    """A column of finite numbers; InputError ``not-numeric`` or ``not-finite``."""
    values = numbers(whole_column(effects, name), f'values of "{name}"')
    if not np.isfinite(values).all():
        rows = ", ".join(str(row + 1) for row in np.flatnonzero(~np.isfinite(values))[:5])
        raise InputError(f'The column "{name}" is infinite in row {rows}.', code="not-finite")
    return values
