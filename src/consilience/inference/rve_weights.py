"""Working models of robust variance estimation: weights from moment estimators, no likelihood.

CORR : effects of a study have one common variance vbar_j and correlation rho; w_ij = 1 / [k_j (vbar_j + tau^2)].
HIER : effects vary around their study's mean with omega^2; w_ij = 1 / (v_ij + tau^2 + omega^2).

Source: Hedges, Tipton & Johnson (2010), Res Synth Methods 1:39, eqs 8-19 (tau^2 and omega^2 are unbiased if the working
model holds: each quadratic form is set equal to its expectation).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base.linalg import binary_exponent
from ..likelihood.terms import partition
from ..records import Design, Effects, Spec

WORKING_MODELS = ("CORR", "HIER")


@dataclass(frozen=True, eq=False)
class Moment:
    """tau2, omega2 (0 for CORR) on the effects' scale, cut off at zero; q : weighted residual sum of squares;
    i2 : percent, NaN for HIER; apart : can the data tell tau2 and omega2 apart? (else tau2 stands for their sum)."""

    tau2: float
    omega2: float
    q: float
    i2: float
    apart: bool = True


def row_variances(effects: Effects, spec: Spec, *, tau2: float, omega2: float) -> np.ndarray:
    """(k,) working variances, the inverse weights."""
    if spec.method == "HIER":
        return effects.v + (tau2 + omega2)
    study = partition(effects, (spec.cluster,))
    size = np.bincount(study)
    return np.asarray((size * (np.bincount(study, effects.v) / size + tau2))[study])


def moment_components(effects: Effects, design: Design, spec: Spec) -> Moment:
    """tau^2 (and omega^2) of the working model."""
    exponent = binary_exponent(float(np.median(effects.v))) // 2
    y, v = np.ldexp(effects.y, -exponent), np.ldexp(effects.v, -2 * exponent)
    study = partition(effects, (spec.cluster,))
    estimate = _hierarchical if spec.method == "HIER" else _correlated
    size = np.bincount(study)
    w = 1 / v if spec.method == "HIER" else (1 / np.bincount(study, v))[study]
    basis, rest = _weighted_fit(design.matrix, y, w)
    found = estimate(basis, rest, w=w, study=study, size=size, rho=spec.rho, v=v)
    back = 2 * exponent
    tau2, omega2 = (float(np.ldexp(x, back)) for x in (found.tau2, found.omega2))
    return replace(found, tau2=tau2, omega2=omega2)


def _weighted_fit(x: np.ndarray, y: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """W-orthonormal basis (k, p) of the design, so that (X'WX)^-1 is the identity, and residuals (k,)."""
    root = np.sqrt(w)
    q, _ = np.linalg.qr(x * root[:, None])
    rest = y * root
    for _ in range(2):
        rest = rest - q @ (q.T @ rest)
    return q / root[:, None], rest / root


def _by_study(study: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(m, p) sums of the rows of x (k, p) in each study."""
    return np.stack([np.bincount(study, column) for column in x.T], axis=1)


def _correlated(
    basis: np.ndarray,
    rest: np.ndarray,
    *,
    w: np.ndarray,
    study: np.ndarray,
    size: np.ndarray,
    rho: float,
    v: np.ndarray,
) -> Moment:
    """w'e^2 has expectation m - (1 - rho) tr A - rho tr B + tau^2 c."""
    del v
    q = float(np.sum(w * rest**2))
    sums = _by_study(study, basis)
    weight = np.bincount(study, w) / size
    own = float(np.sum((w / size[study])[:, None] * basis**2))
    shared = float(np.sum((weight / size)[:, None] * sums**2))
    c = float(np.sum(size * weight) - np.sum((weight**2)[:, None] * sums**2))
    excess = q - len(size) + (1 - rho) * own + rho * shared
    tau2 = max(excess / c, 0.0) if c > 0 else 0.0
    return Moment(tau2, 0.0, q, max(100.0 * excess / q, 0.0) if q > 0 else 0.0)


def _hierarchical(
    basis: np.ndarray,
    rest: np.ndarray,
    *,
    w: np.ndarray,
    study: np.ndarray,
    size: np.ndarray,
    rho: float,
    v: np.ndarray,
) -> Moment:
    """Two quadratic forms of the residuals e = R y, e'We and the sum of squared study totals e'Je, have expectations
    linear in tau^2 and omega^2: tr(R'FR J) tau^2 + tr(R'FR) omega^2 + tr(R'FR V).

    An omega^2 below zero is set to zero before tau^2 is found from the first equation (eqs 16-19).
    """
    del rho
    totals = _by_study(study, basis)
    weighted = basis * w[:, None]
    weighted_totals = _by_study(study, weighted)
    # R = I - b b'W with b'Wb = I: R'WR = W - Wbb'W, and JR = J - (totals) b'W
    rows, forms = [], []
    cross = totals.T @ totals
    diagonal = w - np.sum(weighted**2, axis=1)
    between = float(np.sum(size * np.bincount(study, w) / size) - np.sum(weighted_totals**2))
    rows.append((between, float(np.sum(diagonal))))
    forms.append(float(np.sum(w * rest**2)) - float(np.sum(diagonal * v)))
    # R'JR = J - G'... with column i of (J R): 1_{j(i)} - totals @ (weighted_i)
    at_own = np.sum(totals[study] * weighted, axis=1)
    square = 1.0 - 2.0 * at_own + np.einsum("kp,pq,kq->k", weighted, cross, weighted)
    study_square = (
        size.astype(float) ** 2
        - 2.0 * size * np.sum(totals * weighted_totals, axis=1)
        + np.einsum("mp,pq,mq->m", weighted_totals, cross, weighted_totals)
    )
    rows.append((float(np.sum(study_square)), float(np.sum(square))))
    forms.append(float(np.sum(np.bincount(study, rest) ** 2)) - float(np.sum(square * v)))
    matrix = np.array(rows)
    nan = float("nan")
    q = float(np.sum(w * rest**2))
    if not rows[0][0] > 0 or abs(np.linalg.det(matrix)) <= 1e-12 * float(
        np.prod(np.linalg.norm(matrix, axis=1))
    ):
        tau2 = max(forms[0] / rows[0][1], 0.0) if rows[0][1] > 0 else 0.0
        return Moment(tau2, 0.0, q, nan, apart=False)
    omega2 = max(float(np.linalg.solve(matrix, np.array(forms))[1]), 0.0)
    return Moment(max((forms[0] - omega2 * rows[0][1]) / rows[0][0], 0.0), omega2, q, nan)
