"""Measures of means and spreads of two groups, as data."""

from __future__ import annotations

from functools import partial

from . import columns, means, standardised, two_by_two
from .measure import Inputs, Measure, Options, Pair


def fisher_point_biserial(inputs: Inputs, options: Options) -> Pair:
    """Fisher's z of the point-biserial correlation."""
    return two_by_two.fisher_z(standardised.point_biserial(inputs, options))


def fisher_biserial(inputs: Inputs, options: Options) -> Pair:
    """Fisher's z of the biserial correlation."""
    return two_by_two.fisher_z(standardised.biserial(inputs, options))


_means = partial(
    Measure,
    family="two groups, means",
    columns=columns.MEANS,
    mirror="sign",
    example={"mean1": 22.4, "sd1": 6.1, "n1": 40.0, "mean2": 26.0, "sd2": 6.8, "n2": 38.0},
)
_statistic = partial(_means, columns=columns.MEANS_OR_STATISTIC)

MEANS = (
    _means(
        "MD",
        "mean difference",
        compute=means.mean_difference,
        scale="the outcome's own units",
        vtypes=("LS", "UB", "HO"),
        formula="m1 - m2; v = sd1^2/n1 + sd2^2/n2 (HO: pooled variance)",
        when="All studies measure the outcome in the same units.",
        source="Cochrane Handbook (2024), section 6.5",
    ),
    _statistic(
        "SMD",
        "standardised mean difference (Hedges' g)",
        compute=standardised.smd,
        scale="standardised mean difference",
        vtypes=("LS", "LS2", "UB", "H0"),
        corrects=True,
        formula="g = J(m)(m1 - m2)/s, s pooled, m = n1 + n2 - 2; v = 1/n1 + 1/n2 + g^2/{2(n1 + n2)}",
        when="Different instruments for the same construct; also from t, p, d or r.",
        source="Hedges (1981), J Educ Stat 6:107; Hedges (1982, 1983)",
    ),
    _means(
        "SMDH",
        "standardised mean difference, unequal SDs",
        compute=standardised.smd_unequal,
        scale="standardised mean difference",
        vtypes=("LS", "LS2"),
        corrects=True,
        formula="J(m)(m1 - m2)/s, s^2 = (sd1^2 + sd2^2)/2; v = y^2{sd1^4/(n1-1) + sd2^4/(n2-1)}/(8 s^4) + "
        "{sd1^2/(n1-1) + sd2^2/(n2-1)}/s^2",
        when="SDs of the groups clearly differ.",
        source="Bonett (2009), Psychol Methods 14:225",
    ),
    _means(
        "SMD1",
        "standardised mean difference by the SD of group 2 (Glass's delta)",
        columns=columns.MEANS_ONE_SPREAD,
        compute=standardised.smd_group2,
        scale="standardised mean difference",
        vtypes=("LS", "LS2"),
        corrects=True,
        formula="J(n2 - 1)(m1 - m2)/sd2; v = 1/n1 + 1/n2 + y^2/(2 n2)",
        when="Treatment changes the spread, so that only the control group's SD is a fair unit.",
        source="Glass (1976), Educ Res 5:3; Hedges (1981)",
    ),
    _means(
        "SMD1H",
        "standardised mean difference by the SD of group 2, unequal SDs",
        compute=standardised.smd_group2_unequal,
        scale="standardised mean difference",
        corrects=True,
        formula="J(n2 - 1)(m1 - m2)/sd2; v = (sd1/sd2)^2/(n1 - 1) + 1/(n2 - 1) + y^2/{2(n2 - 1)}",
        when="As SMD1, without assuming equal SDs for the variance.",
        source="Bonett (2008, 2009), Psychol Methods 13:99, 14:225",
    ),
    _means(
        "ROM",
        "log ratio of means",
        compute=means.ratio_of_means,
        scale="log ratio",
        back="exp",
        vtypes=("LS", "LS2", "HO", "AV", "AVHO"),
        corrects=True,
        formula="ln(m1/m2) + (c1 - c2)/2, ci = sdi^2/(ni mi^2); v = c1 + c2 (LS2: + (c1^2 + c2^2)/2)",
        when="Outcomes that are positive with a true zero (concentrations, counts); readers want percent.",
        source="Hedges, Gurevitch & Curtis (1999), Ecology 80:1150; Lajeunesse (2015), Methods Ecol Evol 6:1156",
    ),
    _means(
        "VR",
        "log variability ratio",
        columns=columns.SPREADS,
        compute=means.variability_ratio,
        scale="log ratio",
        back="exp",
        corrects=True,
        formula="ln(sd1/sd2) + b1 - b2, bi = 1/{2(ni - 1)}; v = b1 + b2",
        when="Does treatment make people more or less alike?",
        source="Nakagawa et al. (2015), Methods Ecol Evol 6:143, eqs. 5, 6",
        example={"sd1": 6.1, "n1": 40.0, "sd2": 6.8, "n2": 38.0},
    ),
    _means(
        "CVR",
        "log ratio of coefficients of variation",
        compute=means.variation_ratio,
        scale="log ratio",
        back="exp",
        corrects=True,
        formula="ln{(sd1/m1)/(sd2/m2)} + b1 - b2 - (c1 - c2)/2; v = b1 + b2 + c1 + c2",
        when="As VR where the SD grows with the mean.",
        source="Nakagawa et al. (2015), eqs. 11, 12; Senior, Viechtbauer & Nakagawa (2020), Res Synth Methods 11:553",
    ),
    _statistic(
        "RPB",
        "point-biserial correlation",
        compute=standardised.point_biserial,
        scale="correlation",
        vtypes=("LS", "ST", "CS"),
        formula="d/sqrt(d^2 + h), h = m/n1 + m/n2; v = h^2/(h + d^2)^3 {1/n1 + 1/n2 + d^2/(2N)} (LS, ST)",
        when="Group and a measured variable as a correlation.",
        source="Jacobs & Viechtbauer (2017), Res Synth Methods 8:161",
    ),
    _statistic(
        "ZPB",
        "Fisher's z of the point-biserial correlation",
        compute=fisher_point_biserial,
        scale="Fisher's z",
        back="tanh",
        vtypes=("LS", "ST", "CS"),
        formula="atanh(r); v = v_r/(1 - r^2)^2",
        when="As RPB, to pool with Fisher's z.",
        source="Jacobs & Viechtbauer (2017); delta method",
    ),
    _statistic(
        "RBIS",
        "biserial correlation",
        compute=standardised.biserial,
        scale="correlation",
        formula="r sqrt(pq)/f, f = phi(z_p), p = n1/N; v = [y^4 + y^2{pq z^2/f^2 + (1 - 2p) z/f - 5/2} + pq/f^2]/(N - 1)",
        when="The groups are cut from a normal variable.",
        source="Soper (1914), Biometrika 10:384; Jacobs & Viechtbauer (2017)",
    ),
    _statistic(
        "ZBIS",
        "Fisher's z of the biserial correlation",
        compute=fisher_biserial,
        scale="Fisher's z",
        back="tanh",
        formula="atanh(y); v = v_y/(1 - y^2)^2",
        when="As RBIS, to pool with Fisher's z.",
        source="Jacobs & Viechtbauer (2017); delta method",
    ),
    _statistic(
        "D2OR",
        "log odds ratio from the standardised mean difference (logistic)",
        compute=standardised.d_to_odds_ratio,
        scale="log odds ratio",
        back="exp",
        formula="d pi/sqrt(3); v = (1/n1 + 1/n2 + d^2/{2N}) pi^2/3",
        when="To pool means with odds ratios.",
        source="Hasselblad & Hedges (1995), Psychol Bull 117:167",
    ),
    _statistic(
        "D2ORL",
        "log odds ratio from the standardised mean difference (logistic)",
        compute=standardised.d_to_odds_ratio,
        scale="log odds ratio",
        back="exp",
        formula="d pi/sqrt(3); v = (1/n1 + 1/n2 + d^2/{2N}) pi^2/3",
        when="The same as D2OR, under its explicit name.",
        source="Hasselblad & Hedges (1995), Psychol Bull 117:167",
    ),
    _statistic(
        "D2ORN",
        "log odds ratio from the standardised mean difference (normal)",
        compute=standardised.d_to_odds_ratio_normal,
        scale="log odds ratio",
        back="exp",
        formula="1.65 d; v = 1.65^2 (1/n1 + 1/n2 + d^2/{2N})",
        when="To pool means with odds ratios under a normal outcome.",
        source="Cox & Snell (1989), Analysis of Binary Data",
    ),
)

_superiority = partial(_means, family="two groups, probability of superiority", mirror="complement")
SUPERIORITY = (
    *(
        _superiority(
            id,
            f"{name}, normal values",
            compute=standardised.superiority,
            scale="probability",
            vtypes=("LS", "LS2", "HO"),
            formula="Phi(z), z = (m1 - m2)/sqrt(sd1^2 + sd2^2); v by the delta method",
            when="What is the chance that a random person of group 1 scores higher than one of group 2?",
            source="McGraw & Wong (1992), Psychol Bull 111:361; Goddard & Hinberg (1990), Stat Med 9:325",
        )
        for id, name in (("CLESN", "common language effect size"), ("AUCN", "area under the curve"))
    ),
    *(
        _superiority(
            id,
            f"{name}, as printed",
            columns=columns.SUPERIORITY,
            compute=standardised.superiority_given,
            scale="probability",
            vtypes=("LS", "LS2", "H0", "MAX"),
            formula="P; v = P(1-P){1 + m(1-P)/(2-P) + mP/(1+P)}/{(n1-1)(n2-1)}, m = (n1+n2)/2 - 1; LS2: Hanley & "
            "McNeil over (n1-1)(n2-1); H0: (n1+n2+1)/(12 n1 n2); MAX: P(1-P)/{min(n1, n2) - 1}",
            when="A probability of superiority or an area under the curve is printed.",
            source="Newcombe (2006), Stat Med 25:559, method 5; Hanley & McNeil (1982), Radiology 143:29",
            example={"probability": 0.66, "n1": 40.0, "n2": 38.0},
        )
        for id, name in (("CLES", "common language effect size"), ("AUC", "area under the curve"))
    ),
)

MEASURES = (*MEANS, *SUPERIORITY)
