"""The columns of a review's tables, as data: the checks, the templates and the documentation derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "number", "choice"]


@dataclass(frozen=True)
class Field:
    """One column. `minimum` is inclusive unless `open_minimum`; `allowed` lists the choices."""

    name: str
    kind: Kind
    meaning: str
    required: bool = False
    allowed: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    open_minimum: bool = False
    example: str = ""


@dataclass(frozen=True)
class TableSchema:
    """One table of a review: its file, what a row is, the columns that identify a row, all known columns."""

    name: Literal["trials", "arms", "contrasts", "risk_of_bias"]
    row_is: str
    key: tuple[str, ...]
    fields: tuple[Field, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f.name for f in self.fields)

    def field(self, name: str) -> Field | None:
        return next((f for f in self.fields if f.name == name), None)


def _text(name: str, meaning: str, *, required: bool = False, example: str = "") -> Field:
    return Field(name, "text", meaning, required, example=example)


def _number(
    name: str,
    meaning: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    positive: bool = False,
    required: bool = False,
    example: str = "",
) -> Field:
    low = 0.0 if positive else minimum
    return Field(name, "number", meaning, required, (), low, maximum, positive, example)


def _choice(
    name: str, meaning: str, allowed: tuple[str, ...], *, required: bool = False, example: str = ""
) -> Field:
    return Field(name, "choice", meaning, required, allowed, example=example)


TIMES = ("pre", "post", "follow-up")
JUDGEMENTS = ("low", "some", "high")
SCALES = ("raw", "ln", "log10")

TRIALS = TableSchema(
    "trials",
    "one trial",
    ("study",),
    (
        _text(
            "study",
            "short unique name of the trial; the other tables refer to it",
            required=True,
            example="Miller2014",
        ),
        _text("citation", "full reference"),
        _number("year", "year of publication", minimum=1900, maximum=2100, example="2014"),
        _text("country", "where it was done"),
        _text("population", "who was studied"),
        _text(
            "intervention_class",
            "class of the intervention; one of the protocol's intervention_classes",
            required=True,
        ),
        _number("n_randomised", "people randomised, all arms", positive=True, example="120"),
        _number("mean_age", "mean age in years", minimum=0, maximum=120, example="51.4"),
        _number("percent_female", "percentage of women, 0 to 100", minimum=0, maximum=100, example="68"),
        _number("treatment_weeks", "length of treatment in weeks", positive=True, example="8"),
        _number("n_sessions", "number of sessions", positive=True),
        _text("control_type", "what the control arm received"),
        _choice(
            "randomised",
            "were people allocated at random?",
            ("yes", "no", "unclear"),
            required=True,
            example="yes",
        ),
        _choice(
            "risk_of_bias",
            "overall judgement; empty = not judged (or given in the risk-of-bias table)",
            JUDGEMENTS,
        ),
        _text("source", "where the facts were read"),
        _text("licence", "licence of the source"),
        _text("note", "anything a reader should know"),
    ),
)

ARMS = TableSchema(
    "arms",
    "one arm x outcome x time, with whatever was printed",
    ("study", "arm", "outcome", "weeks"),
    (
        _text("study", "name of the trial as in trials", required=True),
        _text("arm", "name of the arm, e.g. CBT; the same in all rows of the arm", required=True),
        _choice("role", "is this arm treated or control?", ("treatment", "control"), required=True),
        _text("outcome", "what was measured; one of the protocol's outcomes", required=True, example="CRP"),
        _choice("time", "pre = before treatment, post = at its end, follow-up = later", TIMES, required=True),
        _number(
            "weeks", "weeks since baseline (0 for pre); a printed change belongs to its later time", minimum=0
        ),
        _number("n", "people analysed in this row", positive=True, example="36"),
        _number("mean", "mean as printed"),
        _number("sd", "standard deviation of the mean's row", minimum=0),
        _number("se", "standard error of the mean", minimum=0),
        _number("ci_low", "lower confidence limit of the mean"),
        _number("ci_high", "upper confidence limit of the mean"),
        _number("change", "mean change since baseline (later minus baseline)"),
        _number("change_sd", "standard deviation of the change", minimum=0),
        _number("change_se", "standard error of the change", minimum=0),
        _number("change_ci_low", "lower confidence limit of the change"),
        _number("change_ci_high", "upper confidence limit of the change"),
        _number("change_t", "paired t statistic of the change"),
        _number("change_p", "exact two-sided p of the change", minimum=0, maximum=1),
        _number("geometric_mean", "geometric mean as printed", positive=True),
        _number("geometric_ci_low", "lower confidence limit of the geometric mean", positive=True),
        _number("geometric_ci_high", "upper confidence limit of the geometric mean", positive=True),
        _number("median", "median"),
        _number("q1", "lower quartile"),
        _number("q3", "upper quartile"),
        _number("minimum", "smallest value"),
        _number("maximum", "largest value"),
        _number("events", "people with the event", minimum=0),
        _number("total", "people at risk of the event", positive=True),
        _number("r", "pre-post correlation in this arm, if known", minimum=-1, maximum=1),
        _number(
            "confidence", "level of the printed intervals in percent; empty = 95", minimum=50, maximum=99.99
        ),
        _choice("scale", "are mean, SD and change of raw values or of logarithms? empty = raw", SCALES),
        _text("unit", "unit as printed"),
        _text("raw_cell", "the printed cell, for checking"),
        _text("source", "table or page"),
        _text("licence", "licence of the source"),
        _text("note", "anything a reader should know"),
    ),
)

CONTRASTS = TableSchema(
    "contrasts",
    "one result that is known only as a comparison of two arms",
    ("study", "arm", "control_arm", "outcome", "weeks"),
    (
        _text("study", "name of the trial as in trials", required=True),
        _text("arm", "treated arm (its name in arms, if it is there)", required=True),
        _text("control_arm", "control arm", required=True),
        _text("outcome", "what was measured; one of the protocol's outcomes", required=True),
        _choice("time", "post = at the end of treatment, follow-up = later", TIMES, required=True),
        _number("weeks", "weeks since baseline", minimum=0),
        _choice(
            "compares",
            "what the statistic compares: values after treatment (final), changes since baseline (change) or the "
            "group x time interaction (interaction, the same as change for two times)",
            ("final", "change", "interaction"),
        ),
        _number("n_treatment", "people analysed in the treated arm", positive=True),
        _number("n_control", "people analysed in the control arm", positive=True),
        _number("difference", "difference of means or of mean changes, treated minus control"),
        _number("difference_se", "its standard error", minimum=0),
        _number("difference_ci_low", "its lower confidence limit"),
        _number("difference_ci_high", "its upper confidence limit"),
        _number("sd", "standard deviation to standardise the difference, if printed", minimum=0),
        _number("t", "t statistic, positive = treated higher, unless `direction` says otherwise"),
        _number("f", "F statistic with one numerator degree of freedom", minimum=0),
        _number("chi2", "chi-squared statistic with one degree of freedom", minimum=0),
        _number("df", "(denominator) degrees of freedom of t or F", positive=True),
        _number("p", "exact two-sided p value", minimum=0, maximum=1),
        _number("odds_ratio", "odds ratio, treated over control", positive=True),
        _number("odds_ratio_ci_low", "its lower confidence limit", positive=True),
        _number("odds_ratio_ci_high", "its upper confidence limit", positive=True),
        _number("smd", "standardised mean difference, positive = treated higher"),
        _number("smd_se", "its standard error", minimum=0),
        _number("smd_ci_low", "its lower confidence limit"),
        _number("smd_ci_high", "its upper confidence limit"),
        _choice(
            "direction",
            "which arm is higher; needed for f, chi2 and p, which have no sign",
            ("treatment higher", "control higher"),
        ),
        _number(
            "confidence", "level of the printed intervals in percent; empty = 95", minimum=50, maximum=99.99
        ),
        _choice("scale", "is the difference one of raw values or of logarithms? empty = raw", SCALES),
        _text("unit", "unit as printed"),
        _text("raw_cell", "the printed cell, for checking"),
        _text("source", "table or page"),
        _text("licence", "licence of the source"),
        _text("note", "anything a reader should know"),
    ),
)

RISK_OF_BIAS = TableSchema(
    "risk_of_bias",
    "one judged result of a trial (RoB 2 domains)",
    ("study", "result"),
    (
        _text("study", "name of the trial as in trials", required=True),
        _text("result", "the result that was judged", required=True),
        _choice("d1", "randomisation process", JUDGEMENTS),
        _text("d1_reason", "why"),
        _choice("d2", "deviations from the intended interventions", JUDGEMENTS),
        _text("d2_reason", "why"),
        _choice("d3", "missing outcome data", JUDGEMENTS),
        _text("d3_reason", "why"),
        _choice("d4", "measurement of the outcome", JUDGEMENTS),
        _text("d4_reason", "why"),
        _choice("d5", "selection of the reported result", JUDGEMENTS),
        _text("d5_reason", "why"),
        _choice("overall", "overall judgement", JUDGEMENTS, required=True),
        _text("overall_reason", "why"),
        _text("judged_by", "who judged"),
    ),
)

TABLES: dict[str, TableSchema] = {t.name: t for t in (TRIALS, ARMS, CONTRASTS, RISK_OF_BIAS)}
