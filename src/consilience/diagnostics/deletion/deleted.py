"""The coefficients and variances of a model without each case: by refits in one batch, or exactly with variances held."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...base.errors import InputError
from ...base.linalg import lower_factors, one_blas_thread, rows_by_size
from ...inference.robust import CORRECTIONS
from ...inference.rve_weights import WORKING_MODELS
from ...inference.working import working_model, working_of
from ...likelihood.batch import fit_batch
from ...likelihood.build import build
from ...likelihood.gaussian import evaluate
from ...models import Refits, refit_many
from ...models.fit import fit as fit_one
from ...models.univariate import is_univariate, weights_of_spec
from ...records import Fit, Inner, Intercept, Shared
from .cases import Cases
from .pieces import Marginal, Pieces, pieces_of

NO_FIT = "the model cannot be fitted without it"
NO_VARIANCE = "as many coefficients as effects are left, so the variance cannot be estimated"
TOO_FEW = "{k} of its effects are left for {p} coefficients"
RANK = "without it the coefficients are not identified"
VANISHED = "without it the level {level} of {name} has no effects, so the model is another"
FULL_LEVERAGE = 1e-10


@dataclass(frozen=True, eq=False)
class Deleted:
    """The model without each of n cases; NaN where `reason` is not empty.

    estimate : (n, p); covariance : (n, p, p); tau2, q : (n,); factor : (n,) Knapp-Hartung's s^2, else one.
    own : (k,) variance that the model without its case gives each effect; blocks : (n,) covariance of each case's
    effects, or None where effects are independent.
    spread : (n, p, p) covariance of the coefficients of all effects at the variances without the case.
    """

    estimate: np.ndarray
    covariance: np.ndarray
    tau2: np.ndarray
    q: np.ndarray
    factor: np.ndarray
    own: np.ndarray
    blocks: list[np.ndarray] | None
    spread: np.ndarray
    reason: tuple[str, ...]


def model_based(fit: Fit) -> Fit:
    """The same fit with the covariance of its model instead of a robust one.

    Knapp-Hartung's factor stays in models with one effect per study. Raises InputError ``working-model`` for the moment
    models of robust variance estimation.
    """
    if fit.spec.method in WORKING_MODELS:
        raise InputError(
            f"{fit.spec.method} is a set of weights, not a model, so that deleted residuals have no distribution.",
            code="working-model",
            advice="Fit the model with random effects (Spec.che), or leave studies out with leave_one_out.",
        )
    if fit.spec.scale is not None or is_univariate(fit.effects, fit.spec):
        return fit
    spec = replace(fit.spec, test="z")
    if is_univariate(fit.effects, spec):
        return fit_one(fit.effects, spec, design=fit.design)
    if fit.spec.test not in (*CORRECTIONS, "knapp-hartung", "knapp-hartung-floor"):
        return replace(fit, spec=spec)
    with one_blas_thread():
        covariance = working_of(fit).covariance
    return replace(fit, spec=spec, coefficients=replace(fit.coefficients, covariance=covariance))


def without_each(fit: Fit, cases: Cases, *, reestimate: bool) -> Deleted:
    """The deleted fits of a `model_based` fit."""
    found = _without(fit, cases, reestimate=reestimate)
    nothing = np.where([bool(why) for why in found.reason], np.nan, 0.0)
    return replace(
        found,
        estimate=found.estimate + nothing[:, None],
        covariance=found.covariance + nothing[:, None, None],
        tau2=found.tau2 + nothing,
        q=found.q + nothing,
    )


def _without(fit: Fit, cases: Cases, *, reestimate: bool) -> Deleted:
    if fit.spec.scale is not None:
        return _location_scale(fit, cases) if reestimate else _held(fit, cases)
    one_each = is_univariate(fit.effects, fit.spec)
    if not reestimate and not fit.spec.weights and not fit.spec.test.startswith("knapp-hartung"):
        return _held(fit, cases)
    base = fit if reestimate else _fixed(fit)
    return _univariate(base, cases) if one_each else _multilevel(base, cases)


def _fixed(fit: Fit) -> Fit:
    """The model with its variances given as they are; needed only where weights or Knapp-Hartung rule out `_held`."""
    terms = tuple(
        replace(term, variance=float(value))
        for term, value in zip(fit.spec.terms, fit.components.variance, strict=False)
        if isinstance(term, Intercept)
    )
    if len(terms) < len(fit.spec.terms):
        raise InputError(
            "Variances cannot be held in a model with weights of its own and structured random effects.",
            code="hold-variances",
            advice="Use reestimate=True.",
        )
    return replace(fit, spec=replace(fit.spec, terms=terms))


def estimated(fit: Fit) -> bool:
    """Is any variance estimated?"""
    terms = fit.spec.terms
    return bool(terms) and not all(isinstance(t, Intercept) and t.variance is not None for t in terms)


def reasons(fit: Fit, refits: Refits) -> list[str]:
    """(n,) "" or why a selection has no answer."""
    p = fit.design.matrix.shape[1]
    result = []
    for ok, k, se in zip(refits.ok, refits.k, refits.covariance, strict=True):
        if not ok:
            result.append(TOO_FEW.format(k=k, p=p) if k < p else NO_FIT)
        elif k == p and (estimated(fit) or not np.isfinite(se).all()):
            result.append(NO_VARIANCE)
        else:
            result.append("" if np.isfinite(se).all() else NO_FIT)
    return result


def _univariate(fit: Fit, cases: Cases) -> Deleted:
    keep, effects, x = cases.keep, fit.effects, fit.design.matrix
    refits = refit_many(fit, keep=keep)
    reason = reasons(fit, refits)
    usable = np.array([not r for r in reason])
    tau2 = np.where(usable, refits.tau2, 0.0)
    factor = np.ones(cases.n)
    weights = weights_of_spec(effects, fit.spec)
    y = np.broadcast_to(effects.y, keep.shape)
    if fit.spec.test.startswith("knapp-hartung"):
        at = fit_batch(y, np.where(keep, effects.v, np.inf), x, method="ML", tau2=tau2)
        factor = at.q_tau / np.maximum(at.df, 1)
        factor = np.maximum(factor, 1.0) if fit.spec.test.endswith("floor") else factor
    if weights is None:
        spread = _spread(x, effects.v, tau2)
    else:
        v = np.broadcast_to(effects.v, keep.shape)
        spread = fit_batch(y, v, x, method="ML", weights=weights, tau2=tau2).covariance
    return Deleted(
        estimate=refits.estimate,
        covariance=refits.covariance,
        tau2=refits.tau2,
        q=refits.q,
        factor=factor,
        own=effects.v + tau2[cases.code],
        blocks=None,
        spread=spread,
        reason=tuple(reason),
    )


def _spread(x: np.ndarray, v: np.ndarray, tau2: np.ndarray) -> np.ndarray:
    """(n, p, p) covariance of the coefficients of all effects at each tau2 (n,) or (n, k)."""
    w = 1.0 / (v + (tau2[:, None] if tau2.ndim == 1 else tau2))
    if x.shape[1] == 1:
        return np.asarray(1.0 / (w @ np.square(x)))[:, :, None]
    plain, outer = np.linalg.qr(x)
    turned = np.linalg.qr(np.sqrt(w)[:, :, None] * plain, mode="r")
    root = np.linalg.solve(outer, np.linalg.inv(turned))
    return np.asarray(root @ np.swapaxes(root, 1, 2))


def _location_scale(fit: Fit, cases: Cases) -> Deleted:
    """Location and scale re-estimated without each case, one after the other."""
    scale, x, effects = fit.spec.scale, fit.design.matrix, fit.effects
    assert scale is not None
    n, (k, p) = cases.n, x.shape
    estimate, covariance = np.full((n, p), np.nan), np.full((n, p, p), np.nan)
    tau2, q, everyone = np.full(n, np.nan), np.full(n, np.nan), np.ones((n, k))
    reason = []
    for j, keep in enumerate(cases.keep):
        spec = replace(fit.spec, scale=replace(scale, matrix=scale.matrix[keep]))
        try:
            found = fit_one(effects.take(keep), spec, design=replace(fit.design, matrix=x[keep]))
        except InputError:
            reason.append(NO_FIT)
            continue
        reason.append("")
        assert found.scale is not None
        line = scale.matrix @ found.scale.estimate
        everyone[j] = np.exp(line) if scale.link == "log" else np.maximum(line, 0.0)
        estimate[j], covariance[j] = found.coefficients.estimate, found.coefficients.covariance
        tau2[j], q[j] = found.components.total, found.heterogeneity.q
    return Deleted(
        estimate=estimate,
        covariance=covariance,
        tau2=tau2,
        q=q,
        factor=np.ones(n),
        own=effects.v + everyone[cases.code, np.arange(k)],
        blocks=None,
        spread=_spread(x, effects.v, everyone),
        reason=tuple(reason),
    )


def vanished(fit: Fit, keep: np.ndarray) -> dict[int, str]:
    """Selections in which a level of a structured term has no effects: its covariance would be another one."""
    found: dict[int, str] = {}
    for term in (part for t in fit.spec.terms for part in (t.terms if isinstance(t, Shared) else (t,))):
        if not isinstance(term, Inner) or term.structure == "CAR" or term.structure.startswith("SP"):
            continue
        levels, code = np.unique(np.asarray(fit.effects[term.inner], dtype=str), return_inverse=True)
        counts = keep @ (code[:, None] == np.arange(len(levels)))
        for i, level in np.argwhere(counts == 0).tolist():
            found.setdefault(i, VANISHED.format(level=levels[level], name=term.inner))
    return found


def _multilevel(fit: Fit, cases: Cases) -> Deleted:
    gone = vanished(fit, cases.keep)
    tried = np.array([i for i in range(cases.n) if i not in gone], dtype=np.intp)
    refits = refit_many(fit, keep=cases.keep[tried])
    reason = [gone.get(i, "") for i in range(cases.n)]
    for i, why in zip(tried, reasons(fit, refits), strict=True):
        reason[i] = why
    p, n = fit.design.matrix.shape[1], cases.n
    estimate, covariance = np.full((n, p), np.nan), np.full((n, p, p), np.nan)
    tau2, q = np.full(n, np.nan), np.full(n, np.nan)
    theta = np.full((n, refits.theta.shape[1]), np.nan)
    estimate[tried], covariance[tried], theta[tried] = refits.estimate, refits.covariance, refits.theta
    tau2[tried], q[tried] = refits.tau2, refits.q
    blocks, spread = _at_each(fit, cases, theta, reason)
    own = np.ones(fit.effects.k)
    for rows, block in zip(cases.rows(), blocks, strict=True):
        own[rows] = np.diagonal(block)
    return Deleted(
        estimate=estimate,
        covariance=covariance,
        tau2=tau2,
        q=q,
        factor=np.ones(n),
        own=own,
        blocks=blocks,
        spread=spread,
        reason=tuple(reason),
    )


def _at_each(
    fit: Fit, cases: Cases, theta: np.ndarray, reason: list[str]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Covariance of each case's effects, and (n, p, p) of all effects' coefficients, at theta (n, q)."""
    marginal, blocks = Marginal(fit), []
    p = fit.design.matrix.shape[1]
    spread = np.full((cases.n, p, p), np.nan)
    with one_blas_thread():
        setup = build(fit.effects, fit.design, fit.spec)
        for j, rows in enumerate(cases.rows()):
            if reason[j]:
                blocks.append(np.eye(len(rows)))
                continue
            blocks.append(marginal.at(theta[j], rows))
            inside = setup.scale_theta(theta[j], -1)
            at = evaluate(setup.problem, inside, reml=True, derivatives=False)
            if at is not None:
                whole = working_model(setup, at, theta=inside, effects=fit.effects, spec=fit.spec)
                spread[j] = whole.covariance
    return blocks, spread


def _held(fit: Fit, cases: Cases) -> Deleted:
    """Exact deletion at the fit's own variances, without refitting.

    b(-C) = b - (X'KX)^-1 X'K_C g with g = P_CC^-1 (Py)_C, the coefficients of one dummy per deleted effect, and
    Var b(-C) = root (I + f_C' P_CC^-1 f_C) root'. Source: the mean-shift model, Cook & Weisberg (1982), section 2.2.
    """
    at, plain = pieces_of(fit), _plain(fit)
    p, k = fit.design.matrix.shape[1], fit.effects.k
    n = cases.n
    moved, grown = np.full((n, p), np.nan), np.full((n, p, p), np.nan)
    q, reason = np.full(n, np.nan), [""] * n
    for rows, where in _by_size(cases):
        gone = _project(at, rows)
        moved[where], grown[where] = gone.moved, gone.grown
        if plain is not None:
            q[where] = np.maximum(plain.rss - _project(plain, rows).fall, 0.0)
        few = TOO_FEW.format(k=k - rows.shape[1], p=p)
        for j in where[~gone.possible].tolist():
            reason[j] = few if k - rows.shape[1] < p else RANK
    usable = np.array([not r for r in reason])
    return Deleted(
        estimate=fit.coefficients.estimate - moved @ at.root.T,
        covariance=at.root @ (np.eye(p) + grown) @ at.root.T,
        tau2=np.where(usable, fit.components.total, np.nan),
        q=q,
        factor=np.ones(n),
        own=at.m.diagonal,
        blocks=[at.m.part(rows) for rows in cases.rows()] if cases.size.max() > 1 else None,
        spread=np.tile(at.root @ at.root.T, (n, 1, 1)),
        reason=tuple(reason),
    )


def _plain(fit: Fit) -> Pieces | None:
    """The pieces with V alone, of which Cochran's Q is made; None where V is singular, so that there is no Q."""
    try:
        return pieces_of(fit, sampling_only=True)
    except InputError as error:
        if error.code != "singular":
            raise
        return None


def _by_size(cases: Cases) -> list[tuple[np.ndarray, np.ndarray]]:
    """[(rows (c, m), cases (c,)), ...]: cases of equal size together."""
    return [(rows, codes) for codes, rows in rows_by_size(cases.code)]


@dataclass(frozen=True, eq=False)
class _Projected:
    """c cases taken out of a model: moved (c, p) f_C' g; grown (c, p, p) f_C' P_CC^-1 f_C; fall (c,) of y'Py;
    possible (c,) does anything of the coefficients remain? NaN where not."""

    moved: np.ndarray
    grown: np.ndarray
    fall: np.ndarray
    possible: np.ndarray


def _project(at: Pieces, rows: np.ndarray) -> _Projected:
    """Take the cases with `rows` (c, m) out of a model.

    A case that alone determines a coefficient leaves nothing: the smallest eigenvalue of P_CC relative to K_CC is zero.
    """
    inverse = at.inverse.parts(rows)
    f, u = at.f[rows], at.u[rows]
    lower = lower_factors(inverse)
    half = np.linalg.solve(lower, f)  # P_CC = L (I - half half') L'
    share = 1.0 - np.linalg.norm(half, ord=2, axis=(1, 2)) ** 2
    possible = share > FULL_LEVERAGE
    projected = inverse - f @ np.swapaxes(f, 1, 2)
    projected = np.where(possible[:, None, None], projected, np.eye(rows.shape[1]))
    solved = np.linalg.solve(projected, np.concatenate([u[:, :, None], f], axis=2))
    moved = np.swapaxes(f, 1, 2) @ solved
    fall = np.sum(u * solved[:, :, 0], axis=1)
    nothing = np.where(possible, 0.0, np.nan)
    return _Projected(
        moved[:, :, 0] + nothing[:, None], moved[:, :, 1:] + nothing[:, None, None], fall + nothing, possible
    )
