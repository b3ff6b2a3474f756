"""One effect per study: Effects + Design + Spec -> Fit, by the batch kernels with one analysis."""

from __future__ import annotations

import numpy as np

from ..base.errors import InputError
from ..base.linalg import dependent_columns, numbers
from ..base.options import choose
from ..inference.heterogeneity import heterogeneity_of
from ..inference.knapp_hartung import UNIVARIATE_TESTS, coefficients_of, moderators, omnibus_test
from ..inference.one_each import dependent_rows
from ..likelihood.batch import ESTIMATORS, fit_batch
from ..likelihood.batch_fit import BatchFit
from ..likelihood.moments import MOMENTS
from ..records import Components, Design, Effects, Fit, FitStatistics, Intercept, Note, Optimum, Spec
from ..records.fit import OptimumStatus
from .levels import MODES_NOTE

ITERATED = ("SJIT", "PM", "PMM", "EB", "DLIT", "GENQM")
NOTHING = 1e-20  # of a sum of squared standardised residuals: what rounding leaves of none


def is_univariate(effects: Effects, spec: Spec) -> bool:
    """Can `fit_univariate` fit it? One random intercept per row or none, independent effects, no robust test."""
    row = len(spec.terms) == 1 and isinstance(spec.terms[0], Intercept) and spec.terms[0].by == ("row",)
    return (row or not spec.terms) and spec.test in UNIVARIATE_TESTS and dependent_rows(effects) is None


def fit_univariate(effects: Effects, design: Design, spec: Spec) -> Fit:
    """Equal-effects or random-effects model or meta-regression with independent effects.

    ML and REML give the global maximum (see `likelihood.search`); the other estimators are those of
    `likelihood.moments`. A given tau^2 is ``Intercept(("row",), variance=...)``; no random term means equal effects.

    Raises
    ------
    InputError ``dependent-effects`` (effects with a covariance), ``dependent-columns`` (naming them),
    ``too-few-effects``, ``variance-not-positive``, ``effect-not-finite``, ``weights-not-valid``.
    OptionError for an unknown estimator or test.
    """
    _check(effects, design, spec)
    x = design.matrix
    common = x.shape[1] == 1 and bool((x == 1).all())
    method = "EE" if not spec.terms else spec.method
    given = spec.terms[0].variance if spec.terms and isinstance(spec.terms[0], Intercept) else None
    weights = weights_of_spec(effects, spec)
    batch = fit_batch(effects.y, effects.v, None if common else x, method=method, weights=weights, tau2=given)
    coefficients = coefficients_of(batch, design.names, test=spec.test, level=spec.level)
    others = np.zeros(1, dtype=np.intp) if common else moderators(x)
    null = None
    if 0 < len(others) < x.shape[1] and given is None:
        null = fit_batch(effects.y, effects.v, method=method, weights=weights)
    tau2 = batch.tau2
    names = ("row",) if spec.terms else ()
    return Fit(
        spec=spec,
        effects=effects,
        design=design,
        coefficients=coefficients,
        components=Components(
            names, tau2[: len(names)], theta=tau2[: len(names)], se=batch.tau2_se[: len(names)]
        ),
        heterogeneity=heterogeneity_of(batch, null=null),
        loglik=float(batch.loglik_ml[0] if method in ("ML", "EE") else batch.loglik_reml[0]),
        optimum=_optimum(batch, method, given=given is not None),
        notes=_notes(batch, method, spec.test),
        omnibus=omnibus_test(coefficients, others),
        statistics=_statistics(batch, estimated=bool(names) and given is None),
    )


def _check(effects: Effects, design: Design, spec: Spec) -> None:
    choose(spec.method, ESTIMATORS, what="Estimator")
    choose(spec.test, UNIVARIATE_TESTS, what="Test")
    k, p = design.matrix.shape
    if k != effects.k:
        raise InputError(f"The design has {k} rows but there are {effects.k} effects.", code="shape")
    if k < p or k == 0:
        raise InputError(
            f"{k} effects cannot estimate {p} coefficients.",
            code="too-few-effects",
            advice="Use fewer moderators or more effects.",
        )
    rows = dependent_rows(effects)
    if rows is not None:
        raise InputError(
            f"Effects in rows {', '.join(str(r + 1) for r in rows)} have a sampling covariance.",
            code="dependent-effects",
            advice="Use a model with a random intercept per study.",
        )
    dependent = dependent_columns(design.matrix) if p > 1 or not design.matrix.any() else []
    if dependent:
        named = ", ".join(f'"{design.names[j]}"' for j in dependent)
        raise InputError(
            f"Column {named} of the design is a combination of the columns before it.",
            code="dependent-columns",
            advice="Leave it out.",
        )


def weights_of_spec(effects: Effects, spec: Spec) -> np.ndarray | None:
    """(k,) weights of the effects that a spec names; None for inverse variances."""
    if not spec.weights:
        return None
    if spec.weights == "equal":
        return np.ones(effects.k)
    choose(spec.weights, effects.columns, what="Column of weights")
    return numbers(effects[spec.weights], f'weights "{spec.weights}"')


def _optimum(batch: BatchFit, method: str, *, given: bool) -> Optimum:
    if given:
        return Optimum("fixed")
    if method == "EE" or (method in MOMENTS and method not in ITERATED) or batch.df[0] <= 0:
        return Optimum("closed-form" if batch.df[0] > 0 or method == "EE" else "not-identified")
    tau2, steps = float(batch.tau2[0]), int(batch.steps[0])
    status: OptimumStatus = "converged" if tau2 > 0 else "boundary"
    limits = () if tau2 > 0 else ('the variance "row" is 0',)
    maxima = int(batch.maxima[0])
    if tau2 == 0 or method not in ("ML", "REML"):
        return Optimum(status, steps, 0.0, maxima, maxima=maxima, limits=limits)
    score, curvature = abs(float(batch.slope[0])), float(np.sign(batch.curvature[0]))
    return Optimum(status, steps, score, maxima, maxima=maxima, curvature=curvature)


def _notes(batch: BatchFit, method: str, test: str) -> tuple[Note, ...]:
    notes = []
    if batch.maxima[0] > 1:
        notes.append(Note("several-maxima", "info", MODES_NOTE.format(n=int(batch.maxima[0]))))
    if batch.df[0] <= 0 and method != "EE":
        notes.append(
            Note(
                "not-identified",
                "warning",
                "As many coefficients as effects: tau^2 cannot be estimated, taken as 0.",
            )
        )
    if test != "z" and batch.df[0] <= 0:
        message = (
            f"As many coefficients as effects: no degrees of freedom are left for {UNIVARIATE_TESTS[test]}."
        )
        notes.append(Note("no-residual-df", "warning", message, 'The test "z" gives an interval.'))
    if test == "knapp-hartung" and batch.df[0] > 0 and not batch.q_tau[0] > NOTHING:
        notes.append(
            Note(
                "no-residual-variation",
                "warning",
                "The effects lie exactly on the fitted values, so Knapp-Hartung standard errors are zero.",
                'Use the test "knapp-hartung-floor" or "z".',
            )
        )
    return tuple(notes)


def _statistics(batch: BatchFit, *, estimated: bool) -> dict[str, FitStatistics]:
    k, p = int(batch.k[0]), int(batch.k[0] - batch.df[0])
    parameters = p + estimated
    ml, reml = float(batch.loglik_ml[0]), float(batch.loglik_reml[0])
    result = {"ML": FitStatistics(ml, -2 * (ml - float(batch.saturated[0])), parameters, k)}
    if k > p:
        result["REML"] = FitStatistics(reml, -2 * reml, parameters, k - p)
    return result
