"""The CORR and HIER working models of robust variance estimation as fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..base.distributions import chi2_sf
from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..inference.rve_weights import Moment, moment_components, row_variances
from ..likelihood.build import check_rank
from ..records import Components, Design, Effects, Fit, Heterogeneity, Note, Optimum, Spec
from .multilevel import fit_multilevel


def fit_working_model(effects: Effects, design: Design, spec: Spec) -> Fit:
    """Weighted least squares with the weights of a working model and cluster-robust inference.

    The components are moment estimates that only set the weights; I^2 is offered for CORR. The blocks of V are not
    used: that their values need not be known is the point of the method.

    Raises
    ------
    InputError for data that cannot be analysed (see `likelihood.build.build`).

    Source: Hedges, Tipton & Johnson (2010); small-sample corrections of Tipton (2015), Psychol Methods 20:375.
    """
    check_rank(design)
    if spec.method == "CORR" and not 0 <= spec.rho <= 1:
        raise InputError(
            f"The correlation rho of the working model is {spec.rho:g}; it must lie between 0 and 1.",
            code="rho",
        )
    with one_blas_thread():
        found = moment_components(effects, design, spec)
    v = row_variances(effects, spec, tau2=found.tau2, omega2=found.omega2)
    weighted = fit_multilevel(replace(effects, v=v, blocks=()), design, replace(spec, method="EE", terms=()))
    hierarchical = spec.method == "HIER"
    names = (spec.cluster, f"{spec.cluster}/row") if hierarchical else (spec.cluster,)
    variance = np.array([found.tau2, found.omega2][: len(names)])
    df = effects.k - design.matrix.shape[1]
    return replace(
        weighted,
        spec=spec,
        effects=effects,
        components=Components(names, variance),
        heterogeneity=Heterogeneity(
            found.q, df, float(chi2_sf(found.q, df)) if hierarchical and df else np.nan, found.i2, np.nan
        ),
        loglik=np.nan,
        statistics={},
        optimum=Optimum("closed-form" if found.apart else "not-identified"),
        notes=(*_notes(names, found), *weighted.notes),
    )


def _notes(names: tuple[str, ...], found: Moment) -> tuple[Note, ...]:
    if found.apart:
        return ()
    message = f'The data cannot tell "{names[0]}" and "{names[-1]}" apart (no two effects of a study): their sum is given as "{names[0]}".'
    return (Note("not-identified", "warning", message),)
