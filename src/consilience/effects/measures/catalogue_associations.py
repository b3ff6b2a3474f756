"""Measures of correlation and of one group, as data."""

from __future__ import annotations

from functools import partial

from . import columns, correlations, means, others, proportions, rates, two_by_two
from .measure import Inputs, Measure, Options, Pair


def fisher_semipartial(inputs: Inputs, options: Options) -> Pair:
    """Fisher's z of the semi-partial correlation."""
    return two_by_two.fisher_z(correlations.semipartial_correlation(inputs, options))


_correlation = partial(
    Measure, family="correlations", columns=columns.CORRELATION, example={"r": 0.31, "n": 84.0}
)
_partial = partial(
    Measure,
    family="partial correlations",
    columns=columns.PARTIAL,
    example={"t": 2.6, "predictors": 4.0, "n": 120.0},
)
_semipartial = partial(
    _partial, columns=columns.SEMIPARTIAL, example={"t": 2.6, "predictors": 4.0, "n": 120.0, "r2": 0.28}
)
_determination = partial(
    Measure,
    family="coefficients of determination",
    columns=columns.DETERMINATION,
    example={"r2": 0.28, "predictors": 4.0, "n": 120.0},
)
_proportion = partial(
    Measure, family="one group, one event", columns=columns.PROPORTION, example={"events": 9.0, "n": 52.0}
)
_rate = partial(
    Measure,
    family="one group, events over time",
    columns=columns.RATE,
    example={"count": 14.0, "time": 410.0},
)
_mean = partial(
    Measure,
    family="one group, mean and spread",
    columns=columns.MEAN,
    example={"mean": 22.4, "sd": 6.1, "n": 40.0},
)
_alpha = partial(
    Measure,
    family="reliability",
    columns=columns.ALPHA,
    example={"alpha": 0.86, "items": 10.0, "n": 150.0},
)

CORRELATIONS = (
    _correlation(
        "COR",
        "correlation",
        compute=correlations.correlation,
        scale="correlation",
        vtypes=("LS", "AV", "H0"),
        formula="r; v = (1 - r^2)^2/(n - 1)",
        when="Correlations that are not close to -1 or 1.",
        source="Hunter & Schmidt (2004), Methods of Meta-Analysis, ch. 3",
    ),
    _correlation(
        "UCOR",
        "unbiased correlation",
        compute=correlations.unbiased_correlation,
        scale="correlation",
        vtypes=("LS", "UB", "AV"),
        formula="y = r 2F1(1/2, 1/2; (n - 2)/2; 1 - r^2); v = (1 - y^2)^2/(n - 1)",
        when="As COR in small samples.",
        source="Olkin & Pratt (1958), Ann Math Stat 29:201",
    ),
    _correlation(
        "ZCOR",
        "Fisher's z of the correlation",
        compute=correlations.fisher_correlation,
        scale="Fisher's z",
        back="tanh",
        formula="atanh(r); v = 1/(n - 3)",
        when="The usual scale to pool correlations on.",
        source="Fisher (1921), Metron 1:3",
    ),
    _partial(
        "PCOR",
        "partial correlation",
        compute=correlations.partial_correlation,
        scale="correlation",
        vtypes=("LS", "AV"),
        formula="t/sqrt(t^2 + df), df = n - k - 1; v = (1 - r^2)^2/(n - k)",
        when="A regression coefficient's t, with the same covariates in all studies.",
        source="Aloe & Thompson (2013), Commun Stat Theory Methods 42:1727",
    ),
    _partial(
        "ZPCOR",
        "Fisher's z of the partial correlation",
        compute=correlations.fisher_partial,
        scale="Fisher's z",
        back="tanh",
        formula="atanh(r); v = 1/(n - k - 2)",
        when="As PCOR, on the usual scale to pool on.",
        source="Fisher (1924), Metron 3:329",
    ),
    _semipartial(
        "SPCOR",
        "semi-partial correlation",
        compute=correlations.semipartial_correlation,
        scale="correlation",
        vtypes=("LS", "AV"),
        formula="t sqrt{(1 - R2)/df}; v = {R2^2 - 2 R2 + (R2 - r^2) + 1 - (R2 - r^2)^2}/n",
        when="What one predictor adds to the others, in correlation units.",
        source="Aloe & Becker (2012), J Educ Behav Stat 37:278",
    ),
    _semipartial(
        "ZSPCOR",
        "Fisher's z of the semi-partial correlation",
        compute=fisher_semipartial,
        scale="Fisher's z",
        back="tanh",
        formula="atanh(r); v = v_r/(1 - r^2)^2",
        when="As SPCOR, to pool with Fisher's z.",
        source="Aloe & Becker (2012); delta method",
    ),
    _determination(
        "R2",
        "coefficient of determination, random predictors",
        compute=correlations.determination,
        scale="share of variance",
        vtypes=("LS", "AV"),
        formula="R^2; v = 4 R^2 (1 - R^2)^2/n",
        when="How much of the variance is explained; predictors sampled with the people.",
        source="Olkin & Finn (1995), Psychol Bull 118:155",
    ),
    _determination(
        "ZR2",
        "Fisher's z of the multiple correlation, random predictors",
        compute=correlations.fisher_determination,
        scale="Fisher's z",
        back="squared-tanh",
        formula="atanh(R); v = 1/n",
        when="As R2, on a scale with stable variance.",
        source="Olkin & Finn (1995), Psychol Bull 118:155",
    ),
    _determination(
        "R2F",
        "coefficient of determination, fixed predictors",
        compute=correlations.determination_fixed,
        scale="share of variance",
        formula=correlations.FIXED_FORMULA,
        when="As R2 with predictors set by the design (groups, doses).",
        source=correlations.FIXED_SOURCE,
    ),
    _determination(
        "ZR2F",
        "Fisher's z of the multiple correlation, fixed predictors",
        compute=correlations.fisher_determination_fixed,
        scale="Fisher's z",
        back="squared-tanh",
        formula="atanh(R); v = v_R2/{4 R^2 (1 - R^2)^2}",
        when="As R2F, to pool with ZR2.",
        source=f"{correlations.FIXED_SOURCE}; delta method",
    ),
)

PROPORTIONS = (
    _proportion(
        "PR",
        "proportion",
        compute=proportions.proportion,
        scale="proportion",
        vtypes=("LS", "UB", "AV"),
        add=0.5,
        formula="p = x/n; v = p(1 - p)/n",
        when="Proportions well inside 0 and 1.",
        source="Barendregt et al. (2013), J Epidemiol Community Health 67:974",
    ),
    _proportion(
        "PLN",
        "log proportion",
        compute=proportions.log_proportion,
        scale="log proportion",
        back="exp",
        vtypes=("LS", "AV"),
        add=0.5,
        formula="ln(x/n); v = 1/x - 1/n",
        when="Small proportions that are compared as ratios.",
        source="delta method; Agresti (2002), ch. 14",
    ),
    _proportion(
        "PLO",
        "logit of the proportion",
        compute=proportions.logit,
        scale="log odds",
        back="expit",
        vtypes=("LS", "AV"),
        add=0.5,
        formula="ln{x/(n - x)}; v = 1/x + 1/(n - x)",
        when="The usual scale to pool proportions on.",
        source="Agresti (2002), Categorical Data Analysis, ch. 14",
    ),
    _proportion(
        "PRZ",
        "probit of the proportion",
        compute=proportions.probit,
        scale="standard normal quantile",
        back="normal-probability",
        add=0.5,
        formula="z = Phi^-1(x/n); v = 2 pi p(1 - p) exp(z^2)/n",
        when="A yes/no outcome cut from a normal one.",
        source="delta method",
    ),
    _proportion(
        "PAS",
        "arcsine-root proportion",
        compute=proportions.arcsine,
        scale="arcsine (radians)",
        back="squared-sine",
        formula="asin sqrt(x/n); v = 1/(4n)",
        when="Proportions with zeros; the variance is known.",
        source="Anscombe (1948), Biometrika 35:246",
    ),
    _proportion(
        "PFT",
        "double arcsine proportion (Freeman-Tukey)",
        compute=proportions.freeman_tukey,
        scale="arcsine (radians)",
        back="inverse-freeman-tukey",
        formula="{asin sqrt(x/(n+1)) + asin sqrt((x+1)/(n+1))}/2; v = 1/(4n + 2)",
        when="As PAS; its back-transformation depends on n and can mislead (Schwarzer et al. 2019).",
        source="Freeman & Tukey (1950), Ann Math Stat 21:607",
    ),
)

RATES = (
    _rate(
        "IR",
        "rate",
        compute=rates.rate,
        scale="events per unit of time",
        add=0.5,
        formula="x/t; v = x/t^2",
        when="Rates well above zero.",
        source="Rothman et al. (2008), Modern Epidemiology, ch. 14",
    ),
    _rate(
        "IRLN",
        "log rate",
        compute=rates.log_rate,
        scale="log rate",
        back="exp",
        add=0.5,
        formula="ln(x/t); v = 1/x",
        when="The usual scale to pool rates on.",
        source="Rothman et al. (2008), Modern Epidemiology, ch. 14",
    ),
    _rate(
        "IRS",
        "root rate",
        compute=rates.root_rate,
        scale="root of events per unit of time",
        back="square",
        formula="sqrt(x/t); v = 1/(4t)",
        when="Rates with zeros; the variance is known.",
        source="Anscombe (1948), Biometrika 35:246",
    ),
    _rate(
        "IRFT",
        "Freeman-Tukey rate",
        compute=rates.freeman_tukey_rate,
        scale="root of events per unit of time",
        back="square",
        formula="{sqrt(x/t) + sqrt((x + 1)/t)}/2; v = 1/(4t)",
        when="As IRS with few events.",
        source="Freeman & Tukey (1950), Ann Math Stat 21:607",
    ),
)

SINGLE = (
    _mean(
        "MN",
        "mean",
        compute=means.mean,
        scale="the outcome's own units",
        vtypes=("LS", "HO"),
        formula="m; v = sd^2/n (HO: variance pooled over studies)",
        when="The level of one group.",
        source="Cochrane Handbook (2024), section 6.5",
    ),
    _mean(
        "SMN",
        "standardised mean",
        compute=means.standardised_mean,
        scale="standardised mean difference",
        corrects=True,
        formula="J(n - 1) m/sd; v = 1/n + y^2/(2n)",
        when="A one-sample difference from zero in SD units.",
        source="Hedges (1981), J Educ Stat 6:107, one group",
    ),
    _mean(
        "MNLN",
        "log mean",
        compute=means.log_mean,
        scale="log of the outcome's units",
        back="exp",
        formula="ln m; v = sd^2/(n m^2)",
        when="Levels compared as ratios.",
        source="delta method; Hedges, Gurevitch & Curtis (1999)",
    ),
    _mean(
        "SDLN",
        "log standard deviation",
        columns=columns.SPREAD,
        compute=means.log_sd,
        scale="log of the outcome's units",
        back="exp",
        corrects=True,
        formula="ln sd + 1/{2(n - 1)}; v = 1/{2(n - 1)}",
        when="The spread of one group.",
        source="Nakagawa et al. (2015), Methods Ecol Evol 6:143",
        example={"sd": 6.1, "n": 40.0},
    ),
    _mean(
        "CVLN",
        "log coefficient of variation",
        compute=means.log_variation,
        scale="log ratio",
        back="exp",
        corrects=True,
        formula="ln(sd/m) + 1/{2(n - 1)}; v = 1/{2(n - 1)} + sd^2/(n m^2)",
        when="The relative spread of one group.",
        source="Nakagawa et al. (2015), Methods Ecol Evol 6:143",
    ),
    _alpha(
        "ARAW",
        "Cronbach's alpha",
        compute=others.alpha,
        scale="reliability",
        formula="alpha; v = 2k(1 - alpha)^2/{(k - 1)(n - 2)}",
        when="Reliabilities well below 1.",
        source="van Zyl, Neudecker & Nel (2000), Psychometrika 65:271; Bonett (2002)",
    ),
    _alpha(
        "AHW",
        "Cronbach's alpha, cube root",
        compute=others.alpha_hakstian_whalen,
        scale="transformed reliability",
        back="inverse-cube",
        formula="1 - (1 - alpha)^(1/3); v = 18k(n - 1)(1 - alpha)^(2/3)/{(k - 1)(9n - 11)^2}",
        when="The normalising transformation of alpha.",
        source="Hakstian & Whalen (1976), Psychometrika 41:219",
    ),
    _alpha(
        "ABT",
        "Cronbach's alpha, log",
        compute=others.alpha_bonett,
        scale="transformed reliability",
        back="complement-exp",
        formula="-ln(1 - alpha); v = 2k/{(k - 1)(n - 2)}",
        when="The variance-stabilising transformation of alpha.",
        source="Bonett (2002), J Educ Behav Stat 27:335",
    ),
    Measure(
        "REH",
        "log relative excess heterozygosity",
        family="genotypes",
        columns=columns.GENOTYPES,
        compute=others.heterozygosity,
        scale="log ratio",
        back="exp",
        add=0.5,
        formula="ln{b/(2 sqrt(ac))}; v = 1/b + 1/(4a) + 1/(4c)",
        when="Departure from Hardy-Weinberg equilibrium.",
        source="Ziegler et al. (2011), Hum Hered 71:73",
        example={"homozygous1": 298.0, "heterozygous": 535.0, "homozygous2": 221.0},
    ),
)

_given = partial(
    Measure,
    family="given as such",
    columns=columns.GIVEN,
    compute=others.given,
    formula="y and v as given",
    example={"y": -0.36, "v": 0.031},
)
GIVEN = (
    _given(
        "GEN",
        "effect size as given",
        scale="as given",
        when="Computed elsewhere.",
        source="",
    ),
    _given(
        "HR",
        "log hazard ratio as given",
        scale="log ratio",
        back="exp",
        when="Time to an event; ln HR with its variance (use a conversion to get it from an interval).",
        source="Parmar, Torri & Stewart (1998), Stat Med 17:2815",
    ),
    _given(
        "HD",
        "hazard difference as given",
        scale="hazard per unit of time",
        when="Time to an event, absolute.",
        source="",
    ),
)

MEASURES = (*CORRELATIONS, *PROPORTIONS, *RATES, *SINGLE, *GIVEN)
