"""Several effects per study: Effects + Design + Spec -> Fit by the one Gaussian likelihood."""

from __future__ import annotations

import numpy as np

from ..base.distributions import chi2_sf, t_isf, t_two_sided
from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..inference.robust import CORRECTIONS, Correction, robust_covariance, satterthwaite
from ..inference.working import Working, working_model
from ..likelihood.build import Setup, build
from ..likelihood.gaussian import evaluate
from ..likelihood.multistart import Solution, solve
from ..records import Coefficients, Components, Design, Effects, Fit, Heterogeneity, Note, Spec

FEW_DF = 4.0
METHODS = ("REML", "ML", "EE")


def fit_multilevel(effects: Effects, design: Design, spec: Spec, *, start: Fit | None = None) -> Fit:
    """Fit a model with any random terms by REML or ML, or with none (``"EE"``).

    Parameters
    ----------
    start : a fit of nearly the same data; its variances are the only starting point (local, fast).

    Raises
    ------
    InputError for data that cannot be analysed (see `likelihood.build.build`).
    """
    with one_blas_thread():
        setup = build(effects, design, spec)
        warm = None if start is None else setup.scale_theta(start.components.theta, -1)
        choose(spec.method, METHODS, what="estimator")
        solution = solve(setup, method=spec.method, start=warm)
        working = working_model(
            setup, solution.evaluation, theta=solution.theta, effects=effects, cluster=spec.cluster
        )
        coefficients, notes = _coefficients(working, design, spec)
        theta = setup.scale_theta(solution.theta, 1)
        components = Components(tuple(p.name for p in setup.parameters), theta, theta=theta)
        return Fit(
            spec=spec,
            effects=effects,
            design=design,
            coefficients=coefficients,
            components=components,
            heterogeneity=_heterogeneity(setup, components),
            loglik=_loglik(setup, solution, reml=spec.method == "REML"),
            optimum=solution.optimum,
            notes=(*_hidden_notes(solution), *notes),
        )


def _loglik(setup: Setup, solution: Solution, *, reml: bool) -> float:
    """On the effects' scale: dividing the data by s adds log s for each residual degree of freedom."""
    k, p = setup.problem.k, setup.problem.p
    return solution.evaluation.loglik - (k - p if reml else k) * setup.exponent * float(np.log(2.0))


def _hidden_notes(solution: Solution) -> tuple[Note, ...]:
    notes = [
        Note("not-identified", "warning", f"Not estimated, taken as zero: {reason}.")
        for _, reason in solution.hidden
    ]
    if solution.optimum.status == "stopped":
        notes.append(
            Note(
                "search-stopped",
                "warning",
                f"{solution.optimum.help} Scaled score {solution.optimum.score:.2g}.",
            )
        )
    return tuple(notes)


def _coefficients(working: Working, design: Design, spec: Spec) -> tuple[Coefficients, list[Note]]:
    """Estimates with the covariance and reference distribution that the spec asks for."""
    k, p = working.basis.shape
    notes: list[Note] = []
    covariance, df, method = working.covariance, np.full(p, np.inf), "normal"
    if spec.test in CORRECTIONS:
        covariance, df, method, notes = _robust(working, design, spec.test)
    elif spec.test in ("t", "knapp-hartung"):
        df, method = np.full(p, float(k - p) if k > p else np.nan), "t with k - p degrees of freedom"
        if spec.test == "knapp-hartung":
            covariance = covariance * (working.evaluation.rss / (k - p) if k > p else np.nan)
            method = "Knapp-Hartung"
    se = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    with np.errstate(all="ignore"):
        statistic = working.beta / se
        half = t_isf((1 - spec.level) / 2, df) * se
        p_value = t_two_sided(statistic, df)
    return (
        Coefficients(
            names=design.names,
            estimate=working.beta,
            se=se,
            statistic=statistic,
            df=df,
            p_value=p_value,
            ci_low=working.beta - half,
            ci_high=working.beta + half,
            covariance=covariance,
            level=spec.level,
            method=method,
        ),
        notes,
    )


def _robust(
    working: Working, design: Design, kind: Correction
) -> tuple[np.ndarray, np.ndarray, str, list[Note]]:
    """Robust covariance and degrees of freedom; model-based where there is one cluster only."""
    p = working.basis.shape[1]
    if working.n_clusters == 1:
        note = Note(
            "one-cluster",
            "warning",
            "All effects come from one study, so a robust standard error does not exist; "
            "the model's own is given, with a normal reference distribution.",
        )
        return working.covariance, np.full(p, np.inf), "model-based, normal", [note]
    robust = robust_covariance(working, kind)
    covariance, df = robust.covariance, satterthwaite(robust, np.eye(p))
    notes = []
    unknown = ~np.isfinite(df) | (np.diag(covariance) <= 0)
    if unknown.any():
        covariance = np.where(unknown[:, None] | unknown[None, :], np.nan, covariance)
        df = np.where(unknown, np.nan, df)
        notes.append(
            Note(
                "coefficient-one-cluster",
                "warning",
                f"No standard error for {_named(design, unknown)}: only one study carries information on it.",
            )
        )
    few = df < FEW_DF
    if few.any():
        notes.append(
            Note(
                "df-below-four",
                "warning",
                f"Fewer than {FEW_DF:g} degrees of freedom for {_named(design, few)} "
                f"({', '.join(f'{x:.1f}' for x in df[few])}): the p-value and the interval are not trustworthy.",
                "Use a cluster wild bootstrap, or report the estimate without a test.",
            )
        )
    return covariance, df, f"{kind} with Satterthwaite degrees of freedom", notes


def _named(design: Design, which: np.ndarray) -> str:
    return ", ".join(f'"{name}"' for name, chosen in zip(design.names, which, strict=True) if chosen)


def _heterogeneity(setup: Setup, components: Components) -> Heterogeneity:
    """Q and I^2 with weights V^-1: the typical variance is (k - p) / tr(P), P = W - W X (X'WX)^-1 X'W."""
    problem = setup.problem
    df = problem.k - problem.p
    nothing = np.zeros(len(setup.parameters))
    at = evaluate(problem, nothing, reml=True, derivatives=False)
    nan = float("nan")
    total = components.total
    if at is None or df == 0:
        return Heterogeneity(0.0 if df == 0 else nan, df, nan, nan, nan)
    f = at.factor.back(at.q_basis)
    typical = float(np.ldexp(df / (at.factor.trace_inverse() - np.sum(f * f)), 2 * setup.exponent))
    shares = {
        name: 100.0 * value / (total + typical)
        for name, value in zip(components.names, components.variance.tolist(), strict=True)
    }
    return Heterogeneity(
        q=at.rss,
        df=df,
        p_value=float(chi2_sf(at.rss, df)),
        i2=100.0 * total / (total + typical),
        h2=(total + typical) / typical,
        i2_by=shares,
        typical_variance=typical,
    )
