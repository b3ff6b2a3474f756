"""The sampling variance of every measure against the variance of simulated estimates."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

import measures_samples as draw
from consilience.effects.measures import MEASURES, effect_size

EQUAL = partial(draw.two_means)
UNEQUAL = partial(draw.two_means, sd1=1.4, sd2=0.9)
NULL = partial(draw.two_means, difference=0.0)
CHANGES = partial(draw.changes)
UNEQUAL_CHANGES = partial(draw.changes, ratio=1.4)
NO_CHANGE = partial(draw.changes, change=0.0)

# measure -> design for the default variance
DESIGNS: dict[str, Callable[..., draw.Columns]] = {
    **dict.fromkeys(
        ("RR", "OR", "RD", "AS", "YUQ", "YUY", "PBIT", "OR2D", "OR2DL", "OR2DN"), draw.two_groups_binary
    ),
    "PETO": partial(draw.two_groups_binary, p1=0.3, p2=0.33),
    **dict.fromkeys(("PHI", "ZPHI"), draw.cross_section),
    **dict.fromkeys(("RTET", "ZTET"), draw.cut_normals),
    **dict.fromkeys(("MPRD", "MPRR", "MPOR", "MPORC"), draw.pairs),
    "MPPETO": partial(draw.pairs, p=(0.25, 0.16, 0.15, 0.44)),
    "MPORM": draw.pair_margins,
    **dict.fromkeys(("IRR", "IRD", "IRSD"), draw.two_rates),
    **dict.fromkeys(("SMD", "SMD1", "RPB", "ZPB", "D2OR", "D2ORL", "D2ORN"), EQUAL),
    **dict.fromkeys(("MD", "SMDH", "SMD1H", "ROM", "VR", "CVR", "CLESN", "AUCN"), UNEQUAL),
    **dict.fromkeys(("RBIS", "ZBIS"), draw.cut_one_normal),
    **dict.fromkeys(("CLES", "AUC"), draw.superiority),
    **dict.fromkeys(("COR", "UCOR", "ZCOR"), draw.correlations),
    **dict.fromkeys(("PCOR", "ZPCOR", "SPCOR", "ZSPCOR", "R2", "ZR2"), draw.regressions),
    **dict.fromkeys(("R2F", "ZR2F"), partial(draw.regressions, fixed=True)),
    **dict.fromkeys(("PR", "PLN", "PLO", "PRZ", "PAS", "PFT"), draw.one_proportion),
    **dict.fromkeys(("IR", "IRLN", "IRS", "IRFT"), draw.one_rate),
    **dict.fromkeys(("MN", "SMN", "MNLN", "SDLN", "CVLN"), draw.one_mean),
    **dict.fromkeys(("ARAW", "AHW", "ABT"), draw.alphas),
    "REH": draw.genotypes,
    **dict.fromkeys(("PPC", "ROMPPC"), draw.before_after),
    **dict.fromkeys(("SMCC", "SMCR", "SMCRP"), CHANGES),
    **dict.fromkeys(("MC", "SMCRH", "SMCRPH", "CLESCN", "AUCCN", "ROMC", "VRC", "CVRC"), UNEQUAL_CHANGES),
}
GIVEN = {"GEN", "HR", "HD"}

# the other variance estimators, where their assumptions hold
VARIANTS: list[tuple[str, str, Callable[..., draw.Columns]]] = [
    *((m, "AV", draw.two_groups_binary) for m in ("RR", "OR", "RD")),
    ("RD", "UB", draw.two_groups_binary),
    ("PPC", "LS", draw.before_after),
    *((m, "ST", draw.two_groups_binary) for m in ("PHI", "ZPHI")),
    *((m, "CS", draw.cross_section) for m in ("PHI", "ZPHI")),
    ("MD", "UB", UNEQUAL),
    ("MD", "HO", EQUAL),
    *(("SMD", vtype, EQUAL) for vtype in ("LS2", "UB")),
    ("SMD", "H0", NULL),
    ("SMDH", "LS2", UNEQUAL),
    ("SMD1", "LS2", EQUAL),
    *(("ROM", vtype, UNEQUAL) for vtype in ("LS2", "AV")),
    ("ROM", "HO", EQUAL),
    ("ROM", "AVHO", partial(draw.two_means, difference=0.0)),
    *((m, "ST", EQUAL) for m in ("RPB", "ZPB")),
    *((m, "CS", draw.random_groups) for m in ("RPB", "ZPB")),
    *((m, "LS2", UNEQUAL) for m in ("CLESN", "AUCN")),
    *((m, "HO", EQUAL) for m in ("CLESN", "AUCN")),
    *((m, "LS2", draw.superiority) for m in ("CLES", "AUC")),
    *((m, "H0", partial(draw.superiority, difference=0.0)) for m in ("CLES", "AUC")),
    ("COR", "AV", draw.correlations),
    ("COR", "H0", partial(draw.correlations, rho=0.0)),
    ("UCOR", "UB", draw.correlations),
    ("UCOR", "AV", draw.correlations),
    *((m, "AV", draw.regressions) for m in ("PCOR", "SPCOR", "R2")),
    *((m, "AV", draw.one_proportion) for m in ("PR", "PLN", "PLO")),
    ("PR", "UB", draw.one_proportion),
    ("MN", "HO", draw.one_mean),
    *((m, vtype, CHANGES) for m in ("SMCC", "SMCR") for vtype in ("LS2", "UB")),
    *((m, "H0", NO_CHANGE) for m in ("SMCC", "SMCR")),
    *((m, "LS2", UNEQUAL_CHANGES) for m in ("SMCRH", "SMCRPH")),
]


def ratio(measure: str, design: Callable[..., draw.Columns], **choices: str) -> tuple[float, float]:
    """Mean estimated over simulated variance, and the Monte-Carlo standard error of that ratio."""
    rng = np.random.default_rng(zlib.crc32(f"{measure} {choices}".encode()))
    effects = effect_size(measure, design(rng), **choices)
    y, v = effects.y[~np.isnan(effects.v)], effects.v[~np.isnan(effects.v)]
    assert len(y) > 0.98 * effects.k
    deviation = y - y.mean()
    spread = float(np.mean(deviation**2))
    kurtosis = float(np.mean(deviation**4)) / spread**2
    return float(np.mean(v)) / spread, float(np.sqrt((kurtosis - 1) / len(y)))


def test_every_measure_is_simulated():
    assert set(DESIGNS) | GIVEN == set(MEASURES)
    simulated = {(m, MEASURES[m].vtypes[0]) for m in DESIGNS} | {(m, vtype) for m, vtype, _ in VARIANTS}
    promised = {(m.id, vtype) for m in MEASURES.values() for vtype in m.vtypes if m.id not in GIVEN}
    assert promised - simulated == {("CLES", "MAX"), ("AUC", "MAX")}  # bounds: see below


@pytest.mark.parametrize("measure", sorted(DESIGNS))
def test_variance_of_measure(measure):
    found, error = ratio(measure, DESIGNS[measure])
    assert found == pytest.approx(1.0, abs=0.05 + 4 * error)


@pytest.mark.parametrize("measure, vtype, design", VARIANTS)
def test_variance_estimator(measure, vtype, design):
    found, error = ratio(measure, design, vtype=vtype)
    assert found == pytest.approx(1.0, abs=0.05 + 4 * error)


@pytest.mark.parametrize("measure", ["CLES", "AUC"])
def test_largest_variance_is_a_bound(measure):
    found, _ = ratio(measure, draw.superiority, vtype="MAX")
    assert found > 1.2


@pytest.mark.parametrize("measure", ["SMD", "UCOR", "SMCC"])
def test_unbiased_measures_are_unbiased(measure):
    """g, the unbiased correlation and the mean change have no small-sample bias; the uncorrected ones do."""
    rng = np.random.default_rng(20)
    design = {
        "SMD": partial(draw.two_means, difference=0.8, sizes=(6, 6), reps=200_000),
        "UCOR": partial(draw.correlations, rho=0.5, n=12, reps=100_000),
        "SMCC": partial(draw.changes, change=0.8, r=0.5, n=8, reps=100_000),
    }[measure]
    truth = {"SMD": 0.8, "UCOR": 0.5, "SMCC": 0.8}[measure]
    sample = design(rng)
    y = effect_size(measure, sample).y
    error = 4 * y.std() / np.sqrt(len(y))
    assert y.mean() == pytest.approx(truth, abs=error)
    biased = (
        effect_size("COR", sample).y if measure == "UCOR" else effect_size(measure, sample, correct=False).y
    )
    assert abs(biased.mean() - truth) > 2 * error
