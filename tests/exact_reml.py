"""The univariate likelihoods at 60 digits, straight from the matrix formulas: slow and obvious."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

DIGITS = 60


def parts(y: Any, v: Any, x: Any, tau2: Any) -> tuple[mp.matrix, mp.matrix, mp.matrix, mp.matrix]:
    """W, X'WX, b and P at tau2, from numbers taken as they are."""
    k = len(y)
    design = mp.matrix([[mp.mpf(float(c)) for c in row] for row in np.atleast_2d(x)])
    w = mp.diag([1 / (mp.mpf(float(a)) + mp.mpf(tau2)) for a in v])
    a = design.T * w * design
    effects = mp.matrix([mp.mpf(float(value)) for value in y])
    b = a**-1 * (design.T * w * effects)
    p = w - w * design * a**-1 * design.T * w
    assert p.rows == k
    return w, a, b, p


def log_likelihood(y: Any, v: Any, x: Any, tau2: Any, *, reml: bool) -> mp.mpf:
    """With all constants, log |X'X| / 2 included for REML."""
    with mp.workdps(DIGITS):
        w, a, _, p = parts(y, v, x, tau2)
        effects = mp.matrix([mp.mpf(float(value)) for value in y])
        design = mp.matrix([[mp.mpf(float(c)) for c in row] for row in np.atleast_2d(x)])
        k, q = len(y), design.cols
        total = (effects.T * p * effects)[0] - sum(mp.log(w[i, i]) for i in range(k))
        if not reml:
            return -(total + k * mp.log(2 * mp.pi)) / 2
        constant = (k - q) * mp.log(2 * mp.pi) - mp.log(mp.det(design.T * design))
        return -(total + mp.log(mp.det(a)) + constant) / 2


def score(y: Any, v: Any, x: Any, tau2: Any, *, reml: bool) -> mp.mpf:
    """Derivative of the log-likelihood with respect to tau2."""
    with mp.workdps(DIGITS):
        w, _, _, p = parts(y, v, x, tau2)
        effects = mp.matrix([mp.mpf(float(value)) for value in y])
        gap = p * effects
        trace = sum(p[i, i] if reml else w[i, i] for i in range(len(y)))
        return (sum(value**2 for value in gap) - trace) / 2


def coefficients(y: Any, v: Any, x: Any, tau2: Any) -> tuple[list[mp.mpf], list[mp.mpf]]:
    """b and its standard errors."""
    with mp.workdps(DIGITS):
        _, a, b, _ = parts(y, v, x, tau2)
        inverse = a**-1
        return list(b), [mp.sqrt(inverse[i, i]) for i in range(inverse.rows)]


def q_statistic(y: Any, v: Any, x: Any, tau2: Any) -> mp.mpf:
    """y'Py."""
    with mp.workdps(DIGITS):
        _, _, _, p = parts(y, v, x, tau2)
        effects = mp.matrix([mp.mpf(float(value)) for value in y])
        return (effects.T * p * effects)[0]
