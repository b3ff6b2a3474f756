"""Findings about effects that a reader should look at: each with its place, its value and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..records import Columns, Effects, Note
from .candidates import NAN, Candidate
from .cells import Cells, Side
from .convert_statistics import LOGISTIC_SD
from .effect_columns import Row
from .pairing import Comparison, nan_row
from .ppc import pooled_sd

SMD_LIMIT, LOG_OR_LIMIT = 3.0, 5.0
EXTREME, POWER_Z = 1.87, 2.80  # |g|; 80% power at 5% needs an effect of 2.80 standard errors
MEDIUM = 0.5  # the effect that a trial should have power for, to make an extreme one believable
GAP_LIMIT, SHRINK_LIMIT = 0.30, 0.7
SE_RATIO, SE_MINIMUM = 3.0, 5  # an SE this many times off, judged where there are this many effects
ROUTES_DIFFER, ROUTES_CONTRADICT = 0.3, 1.0
SKEW, STRONG_SKEW = 2.0, 1.0
CONVERTED_LOG_SD, NAMED = 0.8, 5


def effect_notes(effects: Effects, rows: Sequence[Row], arms: Columns, cells: Cells) -> list[Note]:
    """All findings, in the order of the effects within each kind of finding.

    Parameters
    ----------
    effects : result under way, oriented, with its columns.
    rows : (k,) comparison, candidate and rule of each effect.
    arms, cells : the arms table as read and resolved.
    """
    general = (_large, _extreme, _routes, _standard_errors, _timing, _tiny, _converted)
    notes = [note for finding in general for note in finding(effects)]
    for i, (comparison, candidate, _) in enumerate(rows):
        side = cells.log if candidate.scale == "log" else cells.raw
        notes.extend(_baseline_gap(i, comparison, candidate, side, arms))
        notes.extend(_shrinking_sd(i, comparison, side, arms))
        if candidate.scale == "raw":
            notes.extend(_skew(i, comparison, cells, arms))
    return _once(notes)


def _once(notes: Sequence[Note]) -> list[Note]:
    """One note per finding and place: a baseline that serves several effects is named once, with all of them."""
    merged: dict[tuple[str, str, str, int | None], Note] = {}
    for note in notes:
        key = (note.code, note.message, note.file, note.row)
        if key in merged:
            note = replace(merged[key], rows=merged[key].rows + note.rows)
        merged[key] = note
    return list(merged.values())


def _on_effect(
    effects: Effects, i: int, code: str, *, text: str, advice: str, severity: str = "warning"
) -> Note:
    who = f"{effects.study[i]}, {effects['outcome'][i]}"
    return Note(
        code,
        "info" if severity == "info" else "warning",
        f"{who}: {text}",
        advice,
        str(effects["file"][i]).split("; ", maxsplit=1)[0],
        int(effects["line"][i]),
        "",
        f"{effects.y[i]:.2f}",
        str(effects.study[i]),
        (i,),
    )


def _large(effects: Effects) -> Iterator[Note]:
    """|g| > 3, |ln OR| > 5."""
    event = effects["basis"] == "event"
    for i in np.flatnonzero((np.abs(effects.y) > SMD_LIMIT) & ~event):
        text = f"g = {effects.y[i]:.2f}, beyond 3 SDs in size."
        yield _on_effect(
            effects, int(i), "smd-large", text=text, advice="Check for an SE entered as an SD, or a unit."
        )
    for i in np.flatnonzero((np.abs(effects.y) * LOGISTIC_SD > LOG_OR_LIMIT) & event):
        text = f"ln OR = {effects.y[i] * LOGISTIC_SD:.2f}, beyond 5 in size."
        yield _on_effect(
            effects, int(i), "log-or-large", text=text, advice="Check the counts or the interval."
        )


def _extreme(effects: Effects) -> Iterator[Note]:
    """|g| > 1.87 from a trial of low power whose risk of bias is not low."""
    weak = np.sqrt(effects.v) * POWER_Z > MEDIUM
    for i in np.flatnonzero((np.abs(effects.y) > EXTREME) & weak & (effects["risk_of_bias"] != "low")):
        judged = effects["risk_of_bias"][i] or "not judged"
        text = (
            f"g = {effects.y[i]:.2f} from a trial with less than 80% power for g = {MEDIUM} (SE "
            f"{math.sqrt(effects.v[i]):.2f}) and risk of bias {judged}."
        )
        advice = "Such results seldom replicate: look at the analysis without this trial."
        yield _on_effect(effects, int(i), "extreme-low-power", text=text, advice=advice)


def _routes(effects: Effects) -> Iterator[Note]:
    """Two ways to one effect that disagree."""
    with np.errstate(invalid="ignore"):
        off = np.abs(effects["second_y"] - effects.y)
    for i in np.flatnonzero(off > ROUTES_DIFFER):
        hard = off[i] > ROUTES_CONTRADICT
        text = (
            f"{'two ways to this effect contradict each other' if hard else 'two ways to this effect differ'}: "
            f"{effects.y[i]:.2f} by {effects['route'][i]} (used), {effects['second_y'][i]:.2f} by "
            f"{effects['second_route'][i]}."
        )
        advice = (
            "One of the printed numbers is wrong or means something else: check them before this is pooled."
        )
        code = "routes-contradict" if hard else "routes-differ"
        yield _on_effect(
            effects, int(i), code, text=text, advice=advice if hard else "Check the printed numbers."
        )


def _standard_errors(effects: Effects) -> Iterator[Note]:
    """SEs that do not go with the arm sizes, judged by the other effects of the review."""
    with np.errstate(all="ignore"):  # absurd arm sizes: not finite, not judged
        unit = np.sqrt(effects.v / (1 / effects["n_treatment"] + 1 / effects["n_control"]))
    known = np.isfinite(unit)
    if known.sum() < SE_MINIMUM:
        return
    ratio = unit / np.median(unit[known])
    reported = effects["r_source"] == "reported"  # a high r that is known makes a small SE: no finding
    with np.errstate(invalid="ignore"):
        outlying = (ratio > SE_RATIO) | ((ratio < 1 / SE_RATIO) & ~reported)
    for i in np.flatnonzero(known & outlying):
        size = f"{ratio[i]:.1f} times" if ratio[i] > 1 else f"1/{1 / ratio[i]:.1f} of"
        text = f"the SE is {size} what the other effects would make of these arm sizes."
        yield _on_effect(
            effects, int(i), "se-outlier", text=text, advice="Check SD against SE, and the arm sizes."
        )


def _timing(effects: Effects) -> Iterator[Note]:
    """Measured before treatment ended: counted as 0 weeks after it."""
    with np.errstate(invalid="ignore"):
        during = effects["weeks"] < effects["treatment_weeks"]
    for i in np.flatnonzero(during):
        text = (
            f"measured at week {effects['weeks'][i]:g} of a treatment of {effects['treatment_weeks'][i]:g} weeks; "
            "counted as 0 weeks after treatment."
        )
        advice = "Nothing to do if treatment went on; else correct weeks or treatment_weeks."
        yield _on_effect(effects, int(i), "during-treatment", text=text, advice=advice, severity="info")


def _tiny(effects: Effects) -> Iterator[Note]:
    """Four people: the exact variance of g does not exist."""
    with np.errstate(invalid="ignore"):
        tiny = (effects["n_people"] <= 4) & (effects["basis"] != "event")
    for i in np.flatnonzero(tiny):
        text = "with 4 people the exact variance does not exist; the large-sample one is used."
        yield _on_effect(
            effects, int(i), "variance-large-sample", text=text, advice="Check n.", severity="info"
        )


def _converted(effects: Effects) -> Iterator[Note]:
    """Strongly skewed values known only by raw mean and SD: one note for all of them."""
    with np.errstate(invalid="ignore"):
        strong = (effects["route_code"] == "pre-post-means-to-log") & (effects["sd_used"] > CONVERTED_LOG_SD)
    rows = np.flatnonzero(strong)
    if len(rows):
        names = list(dict.fromkeys(f"{effects.study[i]} {effects['outcome'][i]}" for i in rows))
        listed = ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        yield Note(
            "converted-strong-skew",
            "info",
            f"{len(rows)} {'effect' if len(rows) == 1 else 'effects'} of strongly skewed values (log SD above "
            f"{CONVERTED_LOG_SD}) had to be converted from raw means and SDs. In simulated trials of 40 people an arm the "
            f"log SD then comes out up to a tenth too small, and g as much too large: {listed}.",
            "Geometric means, medians or logarithms from the authors would be better.",
            rows=tuple(rows.tolist()),
        )


def _on_row(arms: Columns, row: int, i: int, code: str, *, column: str, text: str, advice: str) -> Note:
    study = str(arms.text("study")[row])
    value = arms.number(column)[row] if column else NAN
    return Note(
        code,
        "info" if code == "skew-possible" else "warning",
        f"{study}, {arms.text('outcome')[row]}: {text}",
        advice,
        arms.file,
        int(arms.lines[row]),
        column,
        "" if math.isnan(value) else f"{value:g}",
        study,
        (i,),
    )


def _baseline_gap(i: int, c: Comparison, candidate: Candidate, side: Side, arms: Columns) -> Iterator[Note]:
    """Arms that differ before treatment by more than .30 SD."""
    (m_t, s_t), (m_c, s_c) = ((nan_row(side.mean, row), nan_row(side.sd, row)) for row in (c.pre_t, c.pre_c))
    if not (s_t > 0 and s_c > 0 and candidate.n_t + candidate.n_c > 2):
        return
    gap = (m_t - m_c) / pooled_sd(s_t, candidate.n_t, s_c, candidate.n_c)
    if abs(gap) > GAP_LIMIT:
        text = f"the arms {c.treatment} and {c.control} differ by {gap:.2f} SD before treatment."
        advice = "Look at how people were allocated; regression to the mean can pass for an effect."
        column = _printed(arms, c.pre_t)
        yield _on_row(arms, c.pre_t, i, "baseline-gap", column=column, text=text, advice=advice)


def _shrinking_sd(i: int, c: Comparison, side: Side, arms: Columns) -> Iterator[Note]:
    """A later SD below .7 of the baseline SD."""
    for pre, post in ((c.pre_t, c.post_t), (c.pre_c, c.post_c)):
        before, after = nan_row(side.sd, pre), nan_row(side.sd, post)
        if after < SHRINK_LIMIT * before:
            text = f"the SD falls from {before:.3g} to {after:.3g} in the arm {arms.text('arm')[post]}."
            advice = "Check both cells; people may have been lost selectively, or outliers removed."
            column = "sd" if not math.isnan(arms.number("sd")[post]) else _printed(arms, post)
            yield _on_row(arms, post, i, "sd-shrinks", column=column, text=text, advice=advice)


def _skew(i: int, c: Comparison, cells: Cells, arms: Columns) -> Iterator[Note]:
    """Positive values with a mean below two (strong: one) SDs, analysed on the raw scale."""
    ratios = []
    for row in c.arm_rows:
        mean, sd = cells.raw.mean[row], cells.raw.sd[row]
        if mean > 0 and sd > 0 and cells.raw.kind[row] == "mean":
            ratios.append((mean / sd, row))
    if not ratios or min(ratios)[0] >= SKEW:
        return
    ratio, row = min(ratios)
    strong = ratio < STRONG_SKEW
    text = f"the mean is {ratio:.2f} SDs above zero, which {'shows strong skew' if strong else 'suggests skew'} if values cannot be negative."
    advice = 'Declare scale = "log" for this outcome, or look for geometric means or medians.'
    code = "skew-strong" if strong else "skew-possible"
    yield _on_row(arms, row, i, code, column="mean", text=text, advice=advice)


def _printed(arms: Columns, row: int) -> str:
    """The column that holds the location of that row."""
    names = ("mean", "geometric_mean", "median")
    return next((name for name in names if not math.isnan(arms.number(name)[row])), "")
