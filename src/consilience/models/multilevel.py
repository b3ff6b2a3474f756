"""Several effects per study: Effects + Design + Spec -> Fit by the one Gaussian likelihood."""

from __future__ import annotations

from dataclasses import replace

from ..base.linalg import one_blas_thread
from ..base.options import choose
from ..inference.coefficients import coefficient_table
from ..inference.working import working_model
from ..likelihood.build import build
from ..likelihood.multistart import Method, Solution
from ..likelihood.nested_solve import solve
from ..records import Design, Effects, Fit, Note, Spec
from .levels import (
    fit_statistics,
    heterogeneity_by_level,
    named_components,
    standard_errors,
    without_heterogeneity,
)

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
    choose(spec.method, METHODS, what="estimator")
    with one_blas_thread():
        setup = build(effects, design, spec)
        warm = None if start is None else setup.scale_theta(start.components.theta, -1)
        solution = solve(setup, method=METHODS[spec.method], start=warm)
        working = working_model(setup, solution.evaluation, theta=solution.theta, effects=effects, spec=spec)
        coefficients, omnibus, notes = coefficient_table(working, design, spec)
        components = named_components(setup, setup.scale_theta(solution.theta, 1))
        errors = standard_errors(setup, solution.theta, solution.information)
        zero, reml = without_heterogeneity(setup), spec.method == "REML"
        statistics = fit_statistics(setup, solution.evaluation, reml=reml, rss=working.rss, zero=zero)
        return Fit(
            spec=spec,
            effects=effects,
            design=design,
            coefficients=coefficients,
            components=replace(components, se=errors),
            heterogeneity=heterogeneity_by_level(setup, components, zero),
            loglik=statistics["REML" if reml else "ML"].loglik,
            optimum=solution.optimum,
            notes=(*_search_notes(solution), *notes),
            omnibus=omnibus,
            statistics=statistics,
        )


def _what_follows(reason: str) -> str:
    """What a variance taken as zero means for the coefficients."""
    if "the coefficients" not in reason:
        return ""
    return "The standard errors of coefficients that rest on it hold sampling error only."


def _search_notes(solution: Solution) -> tuple[Note, ...]:
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
    if solution.optimum.status == "stopped":
        score = solution.optimum.score
        notes.append(Note("search-stopped", "warning", f"{solution.optimum.help} Scaled score {score:.2g}."))
    return tuple(notes)
