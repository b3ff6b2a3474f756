"""One effect per study whose heterogeneity follows moderators: Effects + Design + Spec.scale -> Fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.distributions import t_isf, t_two_sided
from ..base.errors import InputError
from ..base.linalg import dependent_columns, row_norms
from ..base.options import choose
from ..inference.knapp_hartung import linear_test, moderators
from ..likelihood.location_scale import ScaleFit, fit_scale
from ..likelihood.prepare import prepare
from ..records import (
    Coefficients,
    Components,
    Design,
    Effects,
    Fit,
    FitStatistics,
    Intercept,
    Note,
    Optimum,
    Scale,
    Spec,
    TestResult,
)
from ..records.fit import OptimumStatus
from .univariate import fit_univariate

LINKS = ("log", "identity")


def fit_location_scale(effects: Effects, design: Design, spec: Spec) -> Fit:
    """Location-scale model by ML or REML.

    The result's `scale` holds the coefficients of the variance (log or identity link; standard errors from the
    observed information), `variances` tau^2 of each effect, ``tests["scale"]`` the test of all scale moderators;
    the component is the mean of tau^2 over the effects. t tests have k - q degrees of freedom for the scale.

    Raises
    ------
    InputError ``scale-method`` unless ML or REML with z or t tests, ``dependent-columns``,
    ``scale-without-intercept``, ``scale-shape``, ``too-few-effects``, and as `fit_univariate`.

    Source: Viechtbauer & Lopez-Lopez (2022), Res Synth Methods 13:697.
    """
    scale, constant = _checked(effects, spec)
    if effects.k <= design.matrix.shape[1]:
        raise InputError(
            f"{effects.k} effects leave nothing for a variance beside {design.matrix.shape[1]} coefficients of the mean.",
            code="too-few-effects",
            advice="Use fewer moderators or more effects.",
        )
    plain = fit_univariate(effects, design, replace(spec, scale=None, terms=(Intercept(("row",)),)))
    x = design.matrix
    common = x.shape[1] == 1 and bool((x == 1).all())
    prepared = prepare(effects.y[None], effects.v[None], None if common else x)
    order, unit = prepared.order[:, 0], 2.0 * float(prepared.exponent[0]) * np.log(2.0)
    found = fit_scale(prepared.problem, scale.matrix[order], link=scale.link, reml=spec.method == "REML")
    tau2 = np.empty(effects.k)
    tau2[order] = found.tau2
    tau2 = tau2 * np.exp(unit)
    alpha = _alpha(found, constant, unit, log=scale.link == "log")
    given = replace(spec, scale=None, terms=(Intercept(("row",), 0.0),), method="ML")
    at = fit_univariate(replace(effects, v=effects.v + tau2), design, given)
    scale_coefficients = _scale_coefficients(alpha, spec, effects.k)
    return replace(
        plain,
        spec=spec,
        coefficients=at.coefficients,
        components=Components(("row",), np.array([tau2.mean()]), theta=np.array([tau2.mean()])),
        heterogeneity=replace(plain.heterogeneity, i2=float("nan"), h2=float("nan"), i2_by={}),
        loglik=at.statistics[spec.method].loglik,
        optimum=_optimum(found),
        notes=_notes(found),
        omnibus=at.omnibus,
        statistics=_statistics(at, effects, spec),
        scale=scale_coefficients,
        variances=tau2,
        tests={"scale": _scale_test(scale_coefficients, scale.matrix)},
    )


def _statistics(at: Fit, effects: Effects, spec: Spec) -> dict[str, FitStatistics]:
    """Of the method fitted only: the other likelihood has its maximum elsewhere."""
    found = at.statistics[spec.method]
    saturated = -0.5 * float(np.log(2 * np.pi * effects.v).sum()) if spec.method == "ML" else 0.0
    q = spec.scale.matrix.shape[1] if spec.scale else 0
    deviance = -2 * (found.loglik - saturated)
    return {spec.method: replace(found, deviance=deviance, parameters=found.parameters + q)}


def _checked(effects: Effects, spec: Spec) -> tuple[Scale, np.ndarray]:
    """The scale and the coefficients (q,) of a constant of one in its design."""
    scale = spec.scale
    if scale is None or spec.method not in ("ML", "REML") or spec.test not in ("z", "t") or spec.weights:
        raise InputError(
            "A location-scale model needs ML or REML, a z or t test and no weights.", code="scale-method"
        )
    if spec.terms not in ((), (Intercept(("row",)),)):
        raise InputError(
            "A location-scale model has one random intercept per effect and no other random term.",
            code="scale-method",
            advice='Give the terms (Intercept(("row",)),).',
        )
    choose(scale.link, LINKS, what="Link")
    z = scale.matrix
    if z.ndim != 2 or z.shape != (effects.k, len(scale.names)) or not np.isfinite(z).all():
        raise InputError(
            f"The design of the scale has shape {z.shape} and {len(scale.names)} names for {effects.k} effects; "
            "it needs finite numbers, one row for each effect and one name for each column.",
            code="scale-shape",
        )
    names = [scale.names[j] for j in dependent_columns(z)]
    if names:
        raise InputError(
            f"The design of the scale has dependent columns: {', '.join(names)}.",
            code="dependent-columns",
            advice="Leave them out.",
        )
    exact = np.flatnonzero((z == 1).all(axis=0))
    constant = (
        np.eye(z.shape[1])[exact[0]] if len(exact) else np.linalg.lstsq(z, np.ones(len(z)), rcond=None)[0]
    )
    if not np.allclose(z @ constant, 1.0, atol=1e-9):
        raise InputError("The design of the scale holds no constant.", code="scale-without-intercept")
    return scale, constant


def _alpha(found: ScaleFit, constant: np.ndarray, unit: float, *, log: bool) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and a root of their covariance in the units given: scaling by 4^e is a factor, or a shift of the log."""
    root = np.full(found.covariance.shape, np.nan)
    if np.isfinite(found.covariance).all():
        root = np.linalg.cholesky(found.covariance)
    if log:
        return found.alpha + unit * constant, root
    return found.alpha * np.exp(unit), root * np.exp(unit)


def _scale_coefficients(alpha: tuple[np.ndarray, np.ndarray], spec: Spec, k: int) -> Coefficients:
    estimate, root = alpha
    q = len(estimate)
    df = np.full(q, np.inf if spec.test == "z" else float(k - q))
    se = row_norms(root)
    statistic = estimate / se
    with np.errstate(over="ignore", under="ignore"):  # the fourth power of the unit of the effects
        covariance = root @ root.T
    half = t_isf((1 - spec.level) / 2, df) * se
    return Coefficients(
        names=spec.scale.names if spec.scale else (),
        estimate=estimate,
        se=se,
        statistic=statistic,
        df=df,
        p_value=t_two_sided(statistic, df),
        ci_low=estimate - half,
        ci_high=estimate + half,
        covariance=covariance,
        level=spec.level,
        method="observed information",
        root=root,
    )


def _scale_test(coefficients: Coefficients, z: np.ndarray) -> TestResult:
    return linear_test(coefficients, np.eye(z.shape[1])[moderators(z)], name="scale moderators")


def _optimum(found: ScaleFit) -> Optimum:
    ended = Optimum("converged", found.steps, found.score, found.starts, found.reached)
    if found.flat:
        return replace(ended, status="not-identified")
    if found.bound:
        where = "is 0" if (found.tau2 == 0).any() else "goes to 0 or grows without end"
        limits = (f"the variance of some studies {where}",)
        return replace(ended, status="boundary", score=0.0, limits=limits)
    status: OptimumStatus = "converged" if found.score < 1e-6 else "stopped"
    return replace(ended, status=status, curvature=found.curvature)


def _notes(found: ScaleFit) -> tuple[Note, ...]:
    if np.isfinite(found.covariance).all():
        if not found.flat:
            return ()
        message = "The likelihood does not change along some combination of the coefficients of the scale."
        advice = "Their values are arbitrary in that direction; use fewer scale moderators."
        return (Note("not-identified", "warning", message, advice),)
    why = "the likelihood is flat or not curved there"
    if found.bound:
        why = "the likelihood is highest where the variance of some studies is zero"
    return (
        Note(
            "scale-without-se",
            "warning",
            f"The coefficients of the scale have no standard errors: {why}.",
            "Use fewer scale moderators, or the log link.",
        ),
    )
