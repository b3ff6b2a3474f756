"""Several effects per study: Effects + Design + Spec -> Fit by the one Gaussian likelihood."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..inference.coefficients import coefficient_table
from ..inference.working import working_model
from ..likelihood.build import Setup, build
from ..likelihood.multistart import Method, Solution, nearly_singular
from ..likelihood.nested_solve import solve
from ..records import Design, Effects, Fit, Note, Spec
from .levels import (
    MODES_NOTE,
    fit_statistics,
    heterogeneity_by_level,
    named_components,
    standard_errors,
    without_heterogeneity,
    without_variance,
)

SINGULAR = 1e-9  # smallest eigenvalue of the effects' correlations at which rounding decides
SINGULAR_ADVICE = (
    "The covariance matrix of the effects is all but singular there, so the likelihood may have no maximum: look for "
    "sampling variances of zero, correlations of one and repeated effects."
)
I2_NOTE = "I^2 is not defined: sampling variances are zero, or one effect outweighs all others beyond the digits of a number."
METHODS: dict[str, Method] = {"REML": "REML", "ML": "ML", "EE": "EE"}


def fit_multilevel(effects: Effects, design: Design, spec: Spec, *, start: Fit | None = None) -> Fit:
    """Fit a model with any random terms by REML or ML, or with none (``"EE"``).

    Parameters
    ----------
    start : a fit of nearly the same data; its variances are the only starting point (local, fast).

    Raises
    ------
    InputError for data that cannot be analysed (see `likelihood.build.build`), OptionError for unknown choices.
    """
    choose(spec.method, METHODS, what="estimator of a model with these terms")
    with one_blas_thread():
        setup = build(effects, design, spec)
        warm = None if start is None else setup.scale_theta(start.components.theta, -1)
        solution = solve(setup, method=METHODS[spec.method], start=warm)
        working = working_model(setup, solution.evaluation, theta=solution.theta, effects=effects, spec=spec)
        coefficients, omnibus, notes = coefficient_table(working, design, spec)
        components = named_components(setup, setup.scale_theta(solution.theta, 1))
        errors = standard_errors(setup, solution.theta, solution.information)
        zero, reml = without_heterogeneity(setup), spec.method == "REML"
        heterogeneity = heterogeneity_by_level(setup, components, zero)
        if np.isnan(heterogeneity.i2) and heterogeneity.df > 0:
            notes = (*notes, Note("i2-undefined", "info", I2_NOTE))
        statistics = fit_statistics(
            setup, solution.evaluation, reml=reml, rss=working.rss, zero=zero, unknown=solution.unknown
        )
        return Fit(
            spec=spec,
            effects=effects,
            design=design,
            coefficients=coefficients,
            components=replace(components, se=errors),
            heterogeneity=heterogeneity,
            loglik=statistics["REML" if reml else "ML"].loglik,
            optimum=solution.optimum,
            notes=(*_search_notes(setup, solution), *notes),
            omnibus=omnibus,
            statistics=statistics,
        )


def _what_follows(reason: str) -> str:
    """What a variance taken as zero means for the coefficients."""
    if "the coefficients" not in reason:
        return ""
    return "The standard errors of coefficients that rest on it hold sampling error only."


def _search_notes(setup: Setup, solution: Solution) -> tuple[Note, ...]:
    unknown = solution.unknown
    notes = [
        Note("not-identified", "warning", f"Not estimated, taken as zero: {reason}.", _what_follows(reason))
        for reason in dict.fromkeys(reason for _, reason in unknown.hidden)
    ]
    if unknown.unseen:
        named = "; ".join(unknown.unseen)
        message = f"No outer level has both, so the data say nothing on the correlation of {named}."
        notes.append(
            Note("correlation-not-identified", "warning", message, "Its value is arbitrary; the rest is not.")
        )
    notes += [
        Note("not-identified", "warning", f"Arbitrary: {reason}.", "The sum of all terms is not.")
        for reason in unknown.vague
    ]
    if solution.optimum.maxima > 1 and solution.optimum.status != "stopped":
        optimum = solution.optimum
        message = f"{MODES_NOTE.format(n=optimum.maxima)} The next is lower by {optimum.lead:.2g} in log-likelihood."
        notes.append(Note("several-maxima", "info", message))
    notes += [
        Note(
            "correlation-not-identified",
            "info",
            f'The variance of "{name}" is zero, so "{shape}" says nothing.',
            "Read the fit as one without this term.",
        )
        for name, shape in without_variance(setup, solution)
    ]
    if solution.optimum.status == "stopped":
        score = solution.optimum.score
        message = f"{solution.optimum.help} Scaled score {score:.2g}."
        singular = nearly_singular(setup, solution.theta, SINGULAR)
        notes.append(Note("search-stopped", "warning", message, SINGULAR_ADVICE if singular else ""))
    return tuple(notes)
