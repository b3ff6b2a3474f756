"""Copas & Shi (2000), BMJ 320:417: lung cancer and passive smoking, 37 studies (Hackshaw et al. 1997), Copas selection model."""

from __future__ import annotations

import numpy as np

from consilience.diagnostics.selection import copas
from selection_data import reference_effects


def test_abstract() -> None:
    """Excess risk 24% (95% CI 13% to 36%, DerSimonian-Laird there, ML here: 37%); 15% if only 60% of studies were included."""
    effects = reference_effects("hackshaw1998")
    found = copas(effects)
    excess = [100 * (float(np.exp(x)) - 1) for x in (found.unadjusted.estimate, found.unadjusted.low)]
    assert [round(x) for x in excess] == [24, 13]
    assert round(100 * (float(np.exp(found.unadjusted.high)) - 1)) in (36, 37)
    included = effects.k / (effects.k + found.path.unpublished)
    at_60 = np.interp(-0.6, -included, found.path.estimate)
    assert round(100 * (float(np.exp(at_60)) - 1)) == 15


def test_asymmetry_is_significant_without_selection() -> None:
    """Abstract: "a significant correlation between study outcome and study size"; selection explains it."""
    path = copas(reference_effects("hackshaw1998")).path
    assert path.p_residual[0] < 0.05
    assert np.all(np.diff(path.p_residual) > 0)
