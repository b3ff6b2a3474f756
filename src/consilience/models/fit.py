"""The one public way to fit a model: Effects + Spec (+ Design) -> Fit."""

from __future__ import annotations

from dataclasses import replace

from ..inference.rve_weights import WORKING_MODELS
from ..records import Design, Effects, Fit, Intercept, Spec
from .location_scale import fit_location_scale
from .multilevel import METHODS, fit_multilevel
from .rve import fit_working_model
from .univariate import fit_univariate, is_univariate
from .usable import exact_rows_note, refuse_other_records, refuse_unusable


def fit(effects: Effects, spec: Spec, *, design: Design | None = None, start: Fit | None = None) -> Fit:
    """Fit a Gaussian meta-analytic model.

    Parameters
    ----------
    design : moderators; None = a pooled mean.
    start : a fit of nearly the same data and the same spec, for refits: the search is then local.

    Raises
    ------
    InputError for data that cannot be analysed (``record``, ``shape``, ``not-numeric``, ``not-finite``, ``variance-not-positive``,
    ``out-of-range``, ``level``, ``given-variance`` and those of the model), OptionError for an unknown choice in `spec`.
    """
    refuse_other_records(effects, design, spec)
    matrix = Design.intercept(effects.k) if design is None else design
    univariate = is_univariate(effects, spec)
    refuse_unusable(
        effects, matrix, spec, exact=not univariate and spec.scale is None and spec.method in METHODS
    )
    if spec.scale is not None:
        return fit_location_scale(effects, matrix, spec)
    if spec.method in WORKING_MODELS:
        return fit_working_model(effects, matrix, spec)
    if univariate:
        return fit_univariate(effects, matrix, spec)
    if spec.method not in METHODS and is_univariate(effects, replace(spec, test="z")):
        return _moments_then_robust(effects, matrix, spec)
    found = fit_multilevel(effects, matrix, spec, start=start)
    notes = exact_rows_note(effects)
    return replace(found, notes=(*notes, *found.notes)) if notes else found


def _moments_then_robust(effects: Effects, design: Design, spec: Spec) -> Fit:
    """tau^2 by an estimator without a likelihood, then the coefficients with the robust test that was asked for."""
    first = fit_univariate(effects, design, replace(spec, test="z"))
    given = replace(spec, terms=(Intercept(("row",), float(first.components.variance[0])),), method="REML")
    second = fit_multilevel(effects, design, given)
    return replace(
        second,
        spec=spec,
        heterogeneity=first.heterogeneity,
        optimum=first.optimum,
        notes=(*first.notes, *second.notes),
    )
