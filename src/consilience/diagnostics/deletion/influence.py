"""What each effect or study does to a fit when it is left out."""

from __future__ import annotations

import numpy as np

from ...base.distributions import chi2_isf, chi2_sf
from ...base.format import number
from ...base.linalg import lower_factors
from ...models.univariate import is_univariate, weights_of_spec
from ...records import Fit, Influence, Note
from .cases import Cases, cases_of
from .deleted import Deleted, estimated, model_based, without_each
from .pieces import estimator, pieces_of

OUTLIER = 0.05


def influence(fit: Fit, *, by: str = "study", reestimate: bool = True) -> Influence:
    """Deletion diagnostics of every effect (``by="effect"``), study (``"study"``) or level of a column.

    With b(-C), tau2(-C) the fit without case C, M its covariance of the effects and h_i the hat values of the whole fit:

    - deleted residual r_i = y_i - x_i'b(-C), Var r_C = M_CC(-C) + X_C Var(b(-C)) X_C'; its chi-squared r'Var^-1 r;
    - DFFITS (x_i'b - x_i'b(-C)) / sqrt(h_i M_ii(-C)); with dependent effects or weights of their own the variance is
      that of x_i'b at M(-C) (hat values may be negative); Cook's distance (b - b(-C))' Var(b)^-1 (b - b(-C));
    - DFBETAS (b_j - b_j(-C)) / sqrt(((X'M(-C)^-1 X)^-1)_jj), all rows of X; covariance ratio |Var b(-C)| / |Var b|.

    With Knapp-Hartung (one effect per study) its s^2(-C) multiplies the model's variances; robust covariances are
    replaced by those of the model, which a note says.

    Parameters
    ----------
    reestimate : estimate the variances anew without each case (global search, one batch for one effect per study), or hold
        them (exact and without refits).

    Raises
    ------
    InputError ``unknown-column``; ``working-model`` for CORR and HIER; ``hold-variances`` where they cannot be held.

    Source: Viechtbauer & Cheung (2010), Res Synth Methods 1:112.
    """
    cases, base = cases_of(fit.effects, by), model_based(fit)
    gone = without_each(base, cases, reestimate=reestimate)
    x, code = fit.design.matrix, cases.code
    shift = base.coefficients.estimate - gone.estimate
    fitted_shift = np.einsum("kp,kp->k", x, shift[code])
    residual = fit.effects.y - x @ base.coefficients.estimate + fitted_shift
    variance = gone.factor[code] * gone.own + np.einsum(
        "kp,kpq,kq->k", x, gone.covariance[code], x, optimize=True
    )
    chi2 = _chi2(residual, variance, cases, gone, x)
    p_value = np.asarray(chi2_sf(chi2, cases.size))
    measures = _measures(base, cases, gone, shift)
    limits, rules = _rules(cases.n, x.shape[1])
    return Influence(
        by=cases.by,
        label=cases.label,
        names=fit.design.names,
        case=code,
        size=cases.size,
        residual=residual,
        residual_se=np.sqrt(variance),
        studentised=residual / np.sqrt(variance),
        chi2=chi2,
        p_value=p_value,
        **measures,
        tau2=gone.tau2,
        q=gone.q,
        outlier=p_value < OUTLIER,
        influential=_influential(measures, limits),
        reason=gone.reason,
        rules=rules,
        limits=limits,
        reestimated=reestimate and estimated(fit),
        notes=_notes(fit, base, gone),
    )


def _measures(fit: Fit, cases: Cases, gone: Deleted, shift: np.ndarray) -> dict[str, np.ndarray]:
    """What each case does to the coefficients, shift (n, p) = b - b(-C), and its part in the fit."""
    hat, weight = hat_and_weight(fit)
    fitted = np.einsum("kp,kp->k", fit.design.matrix, shift[cases.code])
    cook, covratio = _on_coefficients(shift, gone.covariance, fit.coefficients.covariance)
    return {
        "dffits": _largest(_dffits(fit, fitted, gone, cases, hat), cases),
        "cook": cook,
        "covratio": covratio,
        "dfbetas": shift / np.sqrt(gone.factor[:, None] * np.diagonal(gone.spread, axis1=1, axis2=2)),
        "hat": np.bincount(cases.code, hat, minlength=cases.n),
        "weight": np.bincount(cases.code, weight, minlength=cases.n),
    }


def hat_and_weight(fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """(k,) diagonal of the hat matrix, and the effects' weights in percent of all: those given; in a pooled mean the part that
    each has in it, M^-1 1 / 1'M^-1 1; with moderators the diagonal of M^-1."""
    weights = weights_of_spec(fit.effects, fit.spec)
    if weights is None and fit.spec.scale is None and is_univariate(fit.effects, fit.spec):
        weights = 1.0 / (fit.effects.v + fit.components.total)
    if weights is not None:
        weights = weights / weights.max()
        basis = np.linalg.qr(np.sqrt(weights)[:, None] * fit.design.matrix)[0]
        return np.asarray(np.sum(basis**2, axis=1)), 100.0 * weights / weights.sum()
    at = pieces_of(fit)
    if fit.design.matrix.shape[1] == 1 and (fit.design.matrix == 1).all():
        return at.hat, 100.0 * estimator(fit, at)[0]
    diagonal = at.inverse.diagonal
    return at.hat, 100.0 * diagonal / diagonal.sum()


def _dffits(fit: Fit, shift: np.ndarray, gone: Deleted, cases: Cases, hat: np.ndarray) -> np.ndarray:
    """(k,) change of each fitted value in standard errors; 0 where an effect has no bearing on its own."""
    plain = fit.spec.scale is not None or is_univariate(fit.effects, fit.spec)
    if plain and not fit.spec.weights:
        variance = hat * gone.own
    else:
        x = fit.design.matrix
        variance = np.einsum("kp,kpq,kq->k", x, gone.spread[cases.code], x, optimize=True)
    variance = gone.factor[cases.code] * variance
    return np.asarray(shift / np.sqrt(np.where(variance > 0, variance, 1.0)))


def _chi2(
    residual: np.ndarray, variance: np.ndarray, cases: Cases, gone: Deleted, x: np.ndarray
) -> np.ndarray:
    """(n,) r' Var^-1 r of each case."""
    result = np.full(cases.n, np.nan)
    single = cases.size[cases.code] == 1
    result[cases.code[single]] = residual[single] ** 2 / variance[single]
    for j, rows in enumerate(cases.rows()):
        if len(rows) == 1 or gone.reason[j]:
            continue
        own = np.diag(gone.own[rows]) if gone.blocks is None else gone.blocks[j]
        spread = gone.factor[j] * own + x[rows] @ gone.covariance[j] @ x[rows].T
        result[j] = residual[rows] @ np.linalg.solve(spread, residual[rows])
    return result


def _largest(values: np.ndarray, cases: Cases) -> np.ndarray:
    """(n,) the value of each case that is largest in size."""
    order = np.argsort(np.abs(values), kind="stable")
    result = np.full(cases.n, np.nan)
    result[cases.code[order]] = values[order]
    return result


def _on_coefficients(
    shift: np.ndarray, covariance: np.ndarray, whole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cook's distances and covariance ratios (n,), in units in which the whole fit's variances are one."""
    scale = np.sqrt(np.diag(whole))
    inverse = np.linalg.inv(lower_factors(whole / np.outer(scale, scale)))
    cook = np.sum(((shift / scale) @ inverse.T) ** 2, axis=1)
    ratio, known = np.full(len(shift), np.nan), np.isfinite(covariance).all(axis=(1, 2))
    ratio[known] = np.linalg.det(inverse @ (covariance[known] / np.outer(scale, scale)) @ inverse.T)
    return cook, ratio


def _influential(measures: dict[str, np.ndarray], limits: dict[str, float]) -> np.ndarray:
    """(n,) is any of them beyond its limit? What is not available is not."""
    largest = np.abs(measures["dfbetas"]).max(axis=1)
    beyond = [np.abs(measures[name]) > limits[name] for name in ("dffits", "cook", "hat")]
    return np.asarray(np.logical_or.reduce([*beyond, largest > limits["dfbetas"]]))


def _rules(n: int, p: int) -> tuple[dict[str, float], tuple[str, ...]]:
    """What is compared with what, as numbers and in words."""
    limits = {
        "dffits": 3 * float(np.sqrt(p / (n - p))) if n > p else np.inf,
        "cook": float(chi2_isf(0.5, p)),
        "hat": 3 * p / n,
        "dfbetas": 1.0,
    }
    chance = number(OUTLIER * n, 0 if n >= 20 else 1)
    return limits, (
        "Outlier: the deleted residual differs from zero at p < .05 (|z| > 1.96; several effects of a case "
        f"together by chi-squared). Of {n} cases about {chance} would be flagged by chance.",
        f"Influential: any of |DFFITS| > 3 sqrt(p / (n - p)) = {number(limits['dffits'])}; Cook's distance beyond the "
        f"median of chi-squared with p degrees of freedom = {number(limits['cook'])}; hat value > 3 p / n = "
        f"{number(limits['hat'])}; |DFBETAS| > 1; n = {n} cases, p = {p} (Viechtbauer & Cheung 2010).",
    )


def _notes(fit: Fit, base: Fit, gone: Deleted) -> tuple[Note, ...]:
    notes = []
    if base.spec.test != fit.spec.test:
        message = (
            f"Distances and ratios use the covariance of the model, not the {fit.spec.test} one of the fit."
        )
        notes.append(Note("model-covariance", "info", message))
    missing = sum(bool(r) for r in gone.reason)
    if missing:
        message = f"{missing} of {len(gone.reason)} cases cannot be left out; the reasons stand beside them."
        notes.append(Note("not-deletable", "warning", message))
    return tuple(notes)
