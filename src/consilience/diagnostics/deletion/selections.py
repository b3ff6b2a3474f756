"""A fit on many selections of its effects, with its own test and level, and why a selection has no answer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...base.distributions import chi2_sf
from ...base.options import choose
from ...models import refit_many
from ...records import Fit
from .deleted import NO_FIT, RANK, TOO_FEW, estimated, vanished

AS_MANY = "as many coefficients as effects: the variance is taken as 0"
NO_TEST = "too few effects for the test"


def refitted(fit: Fit, keep: np.ndarray, *, coefficient: str = "") -> dict[str, Any]:
    """The fields of `records.Refitted` but `label`, for selections keep (n, k) of the effects.

    coefficient : which of the coefficients figures show; "" = the first.
    """
    names = fit.design.names
    focus = names.index(choose(coefficient, names, what="Coefficient")) if coefficient else 0
    n, p = len(keep), len(names)
    gone = vanished(fit, keep)
    tried = np.array([i for i in range(n) if i not in gone], dtype=np.intp)
    found = refit_many(fit, keep=keep[tried])
    fields: dict[str, Any] = {}
    for name in ("estimate", "se", "df", "statistic", "p_value", "ci_low", "ci_high"):
        fields[name] = np.full((n, p), np.nan)
        fields[name][tried] = getattr(found, name)
    for name in ("tau2", "q", "i2", "h2"):
        fields[name] = np.full(n, np.nan)
        fields[name][tried] = getattr(found, name)
    fields["k"] = keep.sum(axis=1)
    ok = np.zeros(n, dtype=bool)
    ok[tried] = found.ok
    _exact_fits(fields, ok, p)
    df = fields["k"] - p
    with np.errstate(invalid="ignore"):
        fields["q_p"] = np.where(df > 0, chi2_sf(fields["q"], np.maximum(df, 1)), np.where(ok, 1.0, np.nan))
    if np.isnan(fit.heterogeneity.p_value) and fit.heterogeneity.df > 0:
        fields["q_p"] = np.full(n, np.nan)  # weights of CORR: their Q has no known distribution
    whole = fit.coefficients
    return fields | {
        "names": names,
        "focus": focus,
        "whole": whole.estimate,
        "whole_low": whole.ci_low,
        "whole_high": whole.ci_high,
        "level": fit.spec.level,
        "method": whole.method,
        "measure": fit.effects.measure,
        "reason": _reasons(fit, fields, ok, gone),
    }


def _exact_fits(fields: dict[str, Any], ok: np.ndarray, p: int) -> None:
    """With as many coefficients as effects nothing varies around the fit."""
    exact = ok & (fields["k"] == p)
    for name, value in (("q", 0.0), ("i2", 0.0), ("h2", 1.0)):
        fields[name] = np.where(exact, value, fields[name])


def _reasons(fit: Fit, fields: dict[str, Any], ok: np.ndarray, gone: dict[int, str]) -> tuple[str, ...]:
    p, k = len(fit.design.names), fields["k"]
    result = []
    for i in range(len(ok)):
        if i in gone:
            result.append(gone[i])
        elif not ok[i]:
            few = TOO_FEW.format(k=k[i], p=p)
            result.append(few if k[i] < p else RANK if p > 1 else NO_FIT)
        elif not np.isfinite(fields["se"][i]).all():
            result.append(NO_TEST)
        else:
            result.append(AS_MANY if k[i] == p and estimated(fit) else "")
    return tuple(result)
