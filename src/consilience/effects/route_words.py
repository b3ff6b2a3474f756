"""What is said of a route: kinds of location, assumptions, and the reason where two arms give nothing."""

from __future__ import annotations

import math

from .arm_view import ArmView, Choice
from .candidates import Candidate, Failure, both_known
from .pairing import Comparison

MADE = {
    "converted": "log means and SDs are converted from raw ones, as if values were lognormal (Higgins 2008)",
    "quartiles": "means and SDs are made from medians and quartiles (Luo 2018, Wan 2014)",
    "range": "means and SDs are made from medians and ranges (Luo 2018, Wan 2014)",
    "median": "log means and SDs are made from medians and quartiles, as if values were lognormal",
}

RAW_R = (
    "the printed correlation is taken for that of logarithms: if it is one of raw values, that is higher and the "
    "variance too large rather than too small"
)


def why_not(c: Comparison, views: list[tuple[bool, ArmView, ArmView]]) -> Failure:
    """The reason, most basic first, why means and changes of two arms give nothing."""
    arms = [arm for _, t, k in views for arm in (t, k)]
    sds = [s for arm in arms for s in (arm.pre_sd, arm.post_sd, arm.change_sd) if not math.isnan(s)]
    located = {log: all(both_known(a.post) or both_known(a.change) for a in (t, k)) for log, t, k in views}
    if not any(located.values()):
        code = "no-result"
        reason = "No mean, geometric mean, median or change is given for both arms at this time."
    elif sds and not any(s > 0 for s in sds):
        code = "sd-zero"
        reason = "All SDs are zero, so that nothing can be standardised: check the printed cells."
    elif not sds:
        code = "no-dispersion"
        reason = "No SD, SE, confidence interval, t or p is given: nothing to standardise with."
    else:
        code = "no-baseline"
        reason = (
            "The numbers given do not combine to an effect: needed are means before and after with an SD, "
            "or changes with an SD, or final means with their SDs, on one scale in both arms."
        )
    return Failure(code, reason, c.arm_rows)


def note_scale(candidate: Candidate, choice: Choice) -> None:
    """Say so where the scale of the printed numbers is not the one that the protocol declares."""
    if choice.rule.scale == "log" and candidate.scale == "raw":
        more = "the outcome is declared skewed, but the printed numbers allow only the raw scale"
    elif choice.rule.scale == "raw" and candidate.scale == "log":
        more = "printed on the log scale: the effect is in units of the SD of the logarithm"
    else:
        return
    candidate.assumptions = (*candidate.assumptions, more)


def about_r(t: ArmView, c: ArmView) -> list[str]:
    """What the use of r and of the change SDs rests on."""
    out = []
    for arm in (t, c):
        if arm.r_source.startswith("assumed"):
            text = f"pre-post correlation {arm.r:g}, {arm.r_source}"
            if text not in out:
                out.append(text)
    if any(arm.r_source == "reported" and "converted" in (arm.pre_kind, arm.post_kind) for arm in (t, c)):
        out.append(RAW_R)
    if t.refused or c.refused:
        out.append(
            "a printed SD of change is impossible next to the SDs before and after (|r| > 1): not used"
        )
    return out


def location_kinds(arms: tuple[ArmView, ArmView], *, log: bool, final: bool) -> tuple[str, str, list[str]]:
    """Stable code, words and assumptions for the kinds of location in use."""
    kinds = {k for arm in arms for k in ((arm.post_kind,) if final else (arm.pre_kind, arm.post_kind))}
    geometric = all(arm.spread == "geometric CI" for arm in arms)
    made = [MADE[kind] for kind in sorted(kinds) if kind in MADE]
    if kinds == {"mean"}:
        if not log:
            return "means", "means", made
        return (
            ("geometric-means", "geometric means", made)
            if geometric
            else ("log-means", "means of logarithms", made)
        )
    if kinds == {"converted"}:
        return "means-to-log", "means, converted to the log scale,", made
    if kinds <= {"median", "quartiles", "range"}:
        return ("medians-log", "medians, on the log scale,", made) if log else ("medians", "medians", made)
    return (
        ("mixed-log", "means and medians, on the log scale,", made)
        if log
        else ("mixed", "means and medians", made)
    )


def spreads(t: ArmView, c: ArmView) -> str:
    words = [word.replace("geometric ", "") for word in dict.fromkeys((t.spread, c.spread)) if word]
    return " and ".join(words) or "no SD"
