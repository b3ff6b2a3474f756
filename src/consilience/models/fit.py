"""The one public way to fit a model: Effects + Spec (+ Design) -> Fit."""

from __future__ import annotations

from ..records import Design, Effects, Fit, Spec
from .location_scale import fit_location_scale
from .multilevel import fit_multilevel
from .univariate import fit_univariate, is_univariate


def fit(effects: Effects, spec: Spec, *, design: Design | None = None, start: Fit | None = None) -> Fit:
    """Fit a Gaussian meta-analytic model.

    Parameters
    ----------
    design : moderators; None = a pooled mean.
    start : a fit of nearly the same data and the same spec, for refits: the search is then local.

    Raises
    ------
    InputError for data that cannot be analysed, OptionError for an unknown choice in `spec`.
    """
    matrix = Design.intercept(effects.k) if design is None else design
    if spec.scale is not None:
        return fit_location_scale(effects, matrix, spec)
    if is_univariate(effects, spec):
        return fit_univariate(effects, matrix, spec)
    return fit_multilevel(effects, matrix, spec, start=start)
