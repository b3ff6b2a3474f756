"""Findings that are made with the effects: the registry of their codes, beside that of the data checks."""

from __future__ import annotations

from .check_list import Check

_PRINTED, _EFFECT, _ASSUMED = "Printed numbers that disagree", "Effects", "What was assumed"
_ACCEPT = (
    "Compare with the source; correct it, or accept it by a decision in review.toml that says why it stands."
)
_NOTHING = "Nothing to do; the report says it too."

_ALL = (
    Check(
        "ci-inconsistent",
        "warning",
        _PRINTED,
        "an interval that does not lie around its estimate; it is not used",
        "Check the printed cell; give the SD or SE instead if it is printed.",
    ),
    Check(
        "dispersions-disagree",
        "warning",
        _PRINTED,
        "SD, SE and interval of one mean that give SDs more than a quarter apart",
        "Check which of them is misprinted or is another quantity, such as an SE under the name of SD.",
    ),
    Check(
        "df-contradicts-sizes",
        "warning",
        _PRINTED,
        "degrees of freedom that do not go with the arm sizes",
        "Check how many people this test analysed, and enter those.",
    ),
    Check(
        "routes-differ", "warning", _PRINTED, "two ways to one effect that differ by more than .3", _ACCEPT
    ),
    Check(
        "routes-contradict",
        "warning",
        _PRINTED,
        "two ways to one effect that differ by more than 1.0",
        "One of the printed numbers is wrong or means something else: check them before this is pooled.",
    ),
    Check("smd-large", "warning", _EFFECT, "an effect beyond 3 SDs", _ACCEPT),
    Check("log-or-large", "warning", _EFFECT, "a log odds ratio beyond 5", _ACCEPT),
    Check(
        "extreme-low-power",
        "warning",
        _EFFECT,
        "|g| above 1.87 from a trial of low power whose risk of bias is not low",
        "Such results seldom replicate: look at the analysis without this trial.",
    ),
    Check(
        "se-outlier",
        "warning",
        _EFFECT,
        "a standard error three times off what the other effects make of such arm sizes",
        "Check SD against SE, and the arm sizes.",
    ),
    Check(
        "baseline-gap",
        "warning",
        _EFFECT,
        "arms that differ by more than .30 SD before treatment",
        "Look at how people were allocated; regression to the mean can pass for an effect.",
    ),
    Check(
        "sd-shrinks",
        "warning",
        _EFFECT,
        "an SD that falls below .7 of the one before treatment",
        "Check both cells; people may have been lost selectively, or outliers removed.",
    ),
    Check(
        "skew-strong",
        "warning",
        _EFFECT,
        "positive values with a mean below one SD, analysed as they are",
        'Declare scale = "log" for this outcome, or look for geometric means or medians.',
    ),
    Check(
        "skew-possible",
        "info",
        _EFFECT,
        "positive values with a mean below two SDs, analysed as they are",
        'Declare scale = "log" for this outcome, or look for geometric means or medians.',
    ),
    Check(
        "covariance-not-definite",
        "warning",
        _EFFECT,
        "assumed covariances of a trial's effects that contradict each other",
        "Lower rho, or look for an effect that is entered twice.",
    ),
    Check(
        "correlation-impossible",
        "warning",
        _EFFECT,
        "declared correlations that would make two effects correlate beyond 1",
        "Declare correlations in [dependence] that go together with the pre-post correlations.",
    ),
    Check(
        "imputed-sd",
        "warning",
        _ASSUMED,
        "an effect with an SD from other trials, where the protocol allows it",
        "Ask the authors for the number.",
    ),
    Check(
        "imputed-n",
        "warning",
        _ASSUMED,
        "an effect with an arm size from other rows, where the protocol allows it",
        "Ask the authors for the number.",
    ),
    Check(
        "imputed-r",
        "warning",
        _ASSUMED,
        "an effect with a pre-post correlation from other trials, where the protocol allows it",
        "Ask the authors for the number.",
    ),
    Check(
        "covariance-assumed",
        "info",
        _ASSUMED,
        "how effects of the same people are taken to correlate",
        _NOTHING,
    ),
    Check(
        "converted-strong-skew",
        "info",
        _ASSUMED,
        "strongly skewed values that had to be converted from raw means and SDs",
        "Geometric means, medians or logarithms from the authors would be better.",
    ),
    Check(
        "during-treatment",
        "info",
        _ASSUMED,
        "measured before treatment ended: counted as 0 weeks after it",
        "Nothing to do if treatment went on; else correct weeks or treatment_weeks.",
    ),
    Check(
        "variance-large-sample",
        "info",
        _ASSUMED,
        "four people: the large-sample variance is used",
        "Check n.",
    ),
)

EFFECT_CHECKS: dict[str, Check] = {check.code: check for check in _ALL}
