"""The inputs that measures share."""

from __future__ import annotations

from .measure import Column


def _count(name: str, alias: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, alias, meaning, required, low=0.0)


def _size(name: str, alias: str, meaning: str, *, required: bool = True) -> Column:
    return Column(name, alias, meaning, required, low=0.0, open_low=True)


TABLE = (
    _count("events1", "ai", "people with the event in group 1"),
    _count("nonevents1", "bi", "people without the event in group 1 (or give n1)", required=False),
    _count("events2", "ci", "people with the event in group 2"),
    _count("nonevents2", "di", "people without the event in group 2 (or give n2)", required=False),
    _count("n1", "n1i", "size of group 1", required=False),
    _count("n2", "n2i", "size of group 2", required=False),
)
PAIRED = (
    _count("both", "ai", "pairs (or people) with the event both times"),
    _count("first_only", "bi", "with the event the first time only"),
    _count("second_only", "ci", "with the event the second time only"),
    _count("neither", "di", "without the event both times"),
)
MARGINS = (
    _count("events1", "ai", "people with the event the first time"),
    _count("nonevents1", "bi", "people without the event the first time"),
    _count("events2", "ci", "people with the event the second time"),
    _count("nonevents2", "di", "people without the event the second time"),
    Column("r", "ri", "correlation (phi) of the two times", False, -1.0, 1.0),
    Column("p_both", "pi", "proportion with the event both times, instead of r", False, 0.0, 1.0),
)
RATES = (
    _count("count1", "x1i", "events in group 1"),
    _size("time1", "t1i", "person-time in group 1"),
    _count("count2", "x2i", "events in group 2"),
    _size("time2", "t2i", "person-time in group 2"),
)
SIZES = (
    _size("n1", "n1i", "size of group 1"),
    _size("n2", "n2i", "size of group 2"),
)
MEANS = (
    Column("mean1", "m1i", "mean of group 1"),
    Column("sd1", "sd1i", "standard deviation of group 1", low=0.0),
    Column("mean2", "m2i", "mean of group 2"),
    Column("sd2", "sd2i", "standard deviation of group 2", low=0.0),
    *SIZES,
)
SPREADS = (
    Column("sd1", "sd1i", "standard deviation of group 1", low=0.0),
    Column("sd2", "sd2i", "standard deviation of group 2", low=0.0),
    *SIZES,
)
MEANS_ONE_SPREAD = tuple(column for column in MEANS if column.name != "sd1")
MEANS_OR_STATISTIC = (
    *(Column(c.name, c.alias, c.meaning, False, c.low) for c in MEANS[:4]),
    *SIZES,
    Column("d", "di", "standardised mean difference without correction, instead of means", False),
    Column("t", "ti", "two-sample t statistic, instead of means", False),
    Column("p", "pi", "two-sided p value with the sign of the effect, instead of means", False, -1.0, 1.0),
    Column("r", "ri", "point-biserial correlation, instead of means", False, -1.0, 1.0),
)
CORRELATION = (
    Column("r", "ri", "correlation", False, -1.0, 1.0),
    _size("n", "ni", "sample size"),
    Column("t", "ti", "t statistic of the correlation, instead of r", False),
    Column("p", "pi", "two-sided p value with the sign of r, instead of r", False, -1.0, 1.0),
)
PARTIAL = (
    Column("t", "ti", "t statistic of the regression coefficient", False),
    _count("predictors", "mi", "number of predictors in the model"),
    _size("n", "ni", "sample size"),
    Column("r", "ri", "the (semi-)partial correlation itself, instead of t", False, -1.0, 1.0),
    Column("p", "pi", "two-sided p value with the sign of the coefficient, instead of t", False, -1.0, 1.0),
)
SEMIPARTIAL = (*PARTIAL, Column("r2", "r2i", "R squared of the model", True, 0.0, 1.0))
DETERMINATION = (
    Column("r2", "r2i", "R squared of the model", False, 0.0, 1.0),
    Column("predictors", "mi", "number of predictors in the model", low=0.0, open_low=True),
    _size("n", "ni", "sample size"),
    Column("f", "fi", "F statistic of the whole model, instead of r2", False, 0.0),
)
PROPORTION = (_count("events", "xi", "people with the event"), _size("n", "ni", "people at risk"))
RATE = (_count("count", "xi", "events"), _size("time", "ti", "person-time"))
MEAN = (
    Column("mean", "mi", "mean"),
    Column("sd", "sdi", "standard deviation", low=0.0),
    _size("n", "ni", "sample size"),
)
SPREAD = (MEAN[1], MEAN[2])
CHANGE = (
    Column("mean1", "m1i", "mean at the first time (or in the first condition)"),
    Column("mean2", "m2i", "mean at the second time"),
    Column("sd1", "sd1i", "standard deviation at the first time", low=0.0),
    Column("sd2", "sd2i", "standard deviation at the second time", low=0.0),
    _size("n", "ni", "people (or pairs)"),
    Column("r", "ri", "correlation of the two times", True, -1.0, 1.0),
)
CHANGE_OR_STATISTIC = (
    *(Column(c.name, c.alias, c.meaning, False, c.low, c.high) for c in CHANGE[:4]),
    CHANGE[4],
    Column("r", "ri", "correlation of the two times", False, -1.0, 1.0),
    Column("d", "di", "mean change over its standard deviation, instead of means", False),
    Column("t", "ti", "paired t statistic, instead of means", False),
    Column("p", "pi", "two-sided p value with the sign of the change, instead of means", False, -1.0, 1.0),
)
CHANGE_ONE_SPREAD = tuple(column for column in CHANGE if column.name != "sd2")
SPREAD_CHANGE = (CHANGE[2], CHANGE[3], CHANGE[4], CHANGE[5])
ALPHA = (
    Column("alpha", "ai", "Cronbach's alpha", high=1.0),
    Column("items", "mi", "number of items", low=1.0, open_low=True),
    _size("n", "ni", "sample size"),
)
PRETEST_POSTTEST = (
    Column("pre1", "m1prei", "mean before, first group (treated)"),
    Column("post1", "m1posti", "mean after, first group"),
    Column("sd1", "sd1i", "standard deviation before, first group", low=0.0),
    _size("n1", "n1i", "people in the first group"),
    Column("pre2", "m2prei", "mean before, second group (control)"),
    Column("post2", "m2posti", "mean after, second group"),
    Column("sd2", "sd2i", "standard deviation before, second group", low=0.0),
    _size("n2", "n2i", "people in the second group"),
    Column("r", "ri", "correlation of the two times, both groups", True, -1.0, 1.0),
)
PRETEST_POSTTEST_RATIO = (
    *PRETEST_POSTTEST,
    Column("sdpost1", "sd1posti", "standard deviation after, first group", low=0.0),
    Column("sdpost2", "sd2posti", "standard deviation after, second group", low=0.0),
)
GENOTYPES = (
    _count("homozygous1", "ai", "people homozygous for the first allele"),
    _count("heterozygous", "bi", "heterozygous people"),
    _count("homozygous2", "ci", "people homozygous for the second allele"),
)
SUPERIORITY = (
    Column("probability", "ai", "probability of superiority (area under the curve)", True, 0.0, 1.0),
    *SIZES,
)
GIVEN = (Column("y", "yi", "the effect size"), Column("v", "vi", "its sampling variance", low=0.0))
