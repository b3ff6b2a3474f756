"""Measures of the same people twice, as data."""

from __future__ import annotations

from functools import partial

from . import change, columns
from .measure import Measure

_change = partial(
    Measure,
    family="the same people twice, means",
    columns=columns.CHANGE,
    mirror="sign",
    example={"mean1": 24.1, "mean2": 21.0, "sd1": 6.4, "sd2": 6.0, "n": 36.0, "r": 0.6},
)

MEASURES = (
    _change(
        "MC",
        "mean change",
        compute=change.mean_change,
        scale="the outcome's own units",
        formula="m1 - m2; v = sd^2/n, sd^2 = s1^2 + s2^2 - 2 r s1 s2",
        when="One group before and after, in the same units everywhere.",
        source="Gibbons et al. (1993), J Educ Stat 18:271",
    ),
    _change(
        "SMCC",
        "standardised mean change by the SD of the change",
        columns=columns.CHANGE_OR_STATISTIC,
        compute=change.standardised_by_change,
        scale="mean change in SDs of the change",
        vtypes=("LS", "LS2", "UB", "H0"),
        corrects=True,
        formula="J(n - 1)(m1 - m2)/sd; v = 1/n + y^2/(2n)",
        when="Paired t, d or p without r; never pool with measures in SDs of the scores.",
        source="Gibbons et al. (1993); Becker (1988), Br J Math Stat Psychol 41:257",
    ),
    _change(
        "SMCR",
        "standardised mean change by the SD of the first time",
        columns=columns.CHANGE_ONE_SPREAD,
        compute=change.standardised_by_first,
        scale="standardised mean difference",
        vtypes=("LS", "LS2", "UB", "H0"),
        corrects=True,
        formula="J(n - 1)(m1 - m2)/s1; v = 2(1 - r)/n + y^2/(2n)",
        when="Before and after in SDs of the baseline, comparable with standardised mean differences.",
        source="Becker (1988), Br J Math Stat Psychol 41:257",
        example={"mean1": 24.1, "mean2": 21.0, "sd1": 6.4, "n": 36.0, "r": 0.6},
    ),
    _change(
        "SMCRH",
        "standardised mean change by the SD of the first time, unequal SDs",
        compute=change.standardised_by_first_unequal,
        scale="standardised mean difference",
        vtypes=("LS", "LS2"),
        corrects=True,
        formula="J(n - 1)(m1 - m2)/s1; v = sd^2/{s1^2 (n - 1)} + y^2/{2(n - 1)}",
        when="As SMCR when the SDs of the two times differ.",
        source="Bonett (2008), Psychol Methods 13:99",
    ),
    _change(
        "SMCRP",
        "standardised mean change by the average SD",
        compute=change.standardised_by_average,
        scale="standardised mean difference",
        corrects=True,
        formula="J{2(n - 1)/(1 + r^2)}(m1 - m2)/s, s^2 = (s1^2 + s2^2)/2; v = 2(1 - r)/n + y^2 (1 + r^2)/(4n)",
        when="As SMCR with the SD of both times, which is steadier.",
        source="Cousineau (2020), Quant Methods Psychol 16:418; Bonett (2015)",
    ),
    _change(
        "SMCRPH",
        "standardised mean change by the average SD, unequal SDs",
        compute=change.standardised_by_average_unequal,
        scale="standardised mean difference",
        vtypes=("LS", "LS2"),
        corrects=True,
        formula="as SMCRP; v = {sd^2/s^2 + y^2 (s1^4 + s2^4 + 2 r^2 s1^2 s2^2)/(8 s^4)}/(n - 1)",
        when="As SMCRP when the SDs of the two times differ.",
        source="Bonett (2008), Psychol Methods 13:99",
    ),
    *(
        _change(
            id,
            f"{name} of two times, normal values",
            compute=change.superiority,
            scale="probability",
            mirror="complement",
            formula="Phi(z), z = (m1 - m2)/sqrt(s1^2 + s2^2); v by the delta method",
            when="What is the chance that a random value of the first time exceeds one of the second?",
            source="Bonett (2008, 2009); delta method",
        )
        for id, name in (("CLESCN", "common language effect size"), ("AUCCN", "area under the curve"))
    ),
    _change(
        "ROMC",
        "log ratio of means of two times",
        compute=change.ratio_of_means,
        scale="log ratio",
        back="exp",
        corrects=True,
        formula="ln(m1/m2) + (c1 - c2)/2, ci = si^2/(n mi^2); v = c1 + c2 - 2 r s1 s2/(n m1 m2)",
        when="Positive outcomes before and after; readers want percent.",
        source="Lajeunesse (2011), Ecology 92:2049; Lajeunesse (2015)",
    ),
    _change(
        "VRC",
        "log variability ratio of two times",
        columns=columns.SPREAD_CHANGE,
        compute=change.variability_ratio,
        scale="log ratio",
        back="exp",
        formula="ln(s1/s2); v = (1 - r^2)/(n - 1)",
        when="Do people become more or less alike?",
        source="Nakagawa et al. (2015), Methods Ecol Evol 6:143; Senior et al. (2020)",
        example={"sd1": 6.4, "sd2": 6.0, "n": 36.0, "r": 0.6},
    ),
    _change(
        "CVRC",
        "log ratio of coefficients of variation of two times",
        compute=change.variation_ratio,
        scale="log ratio",
        back="exp",
        corrects=True,
        formula="ln{(s1/m1)/(s2/m2)} - (c1 - c2)/2; v = (1 - r^2)/(n - 1) + c1 + c2 - 2 r s1 s2/(n m1 m2)",
        when="As VRC where the SD grows with the mean.",
        source="Nakagawa et al. (2015); Senior, Viechtbauer & Nakagawa (2020)",
    ),
)
