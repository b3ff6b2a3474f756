"""Numbers that a trial does not print, filled in from elsewhere: only where the protocol says so, and never without saying it.

A filled number serves only comparisons that yield no effect without it (SD, n), or replaces a declared assumption (r).
Source: Furukawa et al. (2006), J Clin Epidemiol 59:7 (SDs of other trials of the same measure); Cochrane Handbook 6.5.2.7-8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..records import Columns, Imputation, Note, Plan, Reported
from .arm_view import Choice, view
from .candidates import NAN, Candidate
from .cells import Cells, resolve_cells
from .imputation_n import fill_sizes
from .imputation_sd import fill_spreads
from .pairing import Comparison, nan_row

CODES = {"SD": ("imputed-sd", "sd"), "n": ("imputed-n", "n"), "r": ("imputed-r", "r")}
IMPUTED_R = "assumed (imputed"  # how the source of an imputed r begins
LARGEST_R = 0.99


@dataclass(frozen=True, eq=False)
class Filled:
    """A review's tables with missing numbers filled in.

    reported, cells : with n and SDs filled. rows : per table (arms, contrasts), row -> kind (``SD``, ``n``) -> what was done.
    r : (study, outcome) -> the imputed pre-post correlation and its source.
    refused : (study, outcome) -> why a number that is missing could not be had.
    """

    reported: Reported
    cells: Cells
    rows: tuple[Mapping[int, Mapping[str, str]], Mapping[int, Mapping[str, str]]]
    r: Mapping[tuple[str, str], tuple[float, str]] = field(default_factory=dict)
    refused: Mapping[tuple[str, str], str] = field(default_factory=dict)

    def choice(self, choice: Choice, comparison: Comparison, end: str) -> Choice:
        """The choice with the imputed r in place of the declared value; `end` ``low`` and ``high`` reach as far as either."""
        found = self.r.get((comparison.study, comparison.outcome))
        if found is None:
            return choice
        value, source = found
        r = {"low": min(choice.r, value), "high": max(choice.r, value)}.get(end, value)
        return replace(choice, r=r, source=source)

    def marked(self, way: Candidate, comparison: Comparison) -> Candidate:
        """A way made from filled cells: its route, its assumptions and `imputed` say so."""
        known: dict[str, list[str]] = {}
        before = {row for row in (comparison.pre_t, comparison.pre_c) if "SD" in self.rows[0].get(row, {})}
        contrasts = (way.contrast_row,) if way.contrast_row >= 0 else ()
        for table, rows in zip(self.rows, (comparison.arm_rows, contrasts), strict=True):
            for row in rows:
                for kind, words in table.get(row, {}).items():
                    # on the raw scale a g is standardised by the SDs before treatment alone
                    only_before = before and way.exactness == "g" and way.scale == "raw"
                    if kind != "SD" or not only_before or row in before:
                        known.setdefault(kind, []).append(words)
        done = tuple((kind, words) for kind, every in known.items() for words in dict.fromkeys(every))
        return marked(way, done)

    def why_not(self, comparison: Comparison) -> str:
        """The reason why imputation did not help, to follow another sentence; "" if there is none."""
        why = self.refused.get((comparison.study, comparison.outcome), "")
        return f" Not imputed: {why}" if why else ""


def fill_missing(
    reported: Reported, plan: Plan, comparisons: Sequence[Comparison], cells: Cells
) -> Filled | None:
    """What the protocol allows to fill in, filled in; None if it allows nothing.

    - n ``from-arms``: the arm's n in another row, else the trial's n_randomised less the known arms, split equally;
    - SD ``same-marker``: where a trial prints no dispersion of an outcome at all, the SD pooled over the other trials that print
      one in the same unit and on the same scale (logarithms have no unit), of the same kind of time where there are any;
    - r ``same-marker``: the mean Fisher z of the reported or derived pre-post correlations of the outcome in other trials.

    `cells` : the arms table as printed, resolved.
    """
    allowed: Imputation = plan.imputation
    if not allowed.declared:
        return None
    rows: tuple[dict[int, dict[str, str]], dict[int, dict[str, str]]] = ({}, {})
    refused: dict[tuple[str, str], str] = {}
    r = correlations_elsewhere(comparisons, cells, plan) if allowed.r == "same-marker" else {}
    if allowed.n == "from-arms":
        reported = fill_sizes(reported, rows, refused)
        cells = resolve_cells(reported.arms)
    if allowed.sd == "same-marker":
        cells = fill_spreads(reported.arms, cells, rows[0], refused)
    return Filled(reported, cells, rows, r, refused)


def correlations_elsewhere(
    comparisons: Sequence[Comparison], cells: Cells, plan: Plan
) -> dict[tuple[str, str], tuple[float, str]]:
    """(study, outcome) -> tanh of the mean Fisher z of the outcome's known r in other trials, and the source in words.

    Within and between trials z is weighted by n - 3 (at least 1) of the arm.
    """
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    seen: set[tuple[int, int]] = set()
    for c in comparisons:
        rule = plan.outcomes.get(c.outcome)
        for pre, post in ((c.pre_t, c.post_t), (c.pre_c, c.post_c)):
            if rule is None or pre < 0 or post < 0 or (pre, post) in seen:
                continue
            seen.add((pre, post))
            n = nan_row(cells.n, post)
            log_first = rule.scale == "log"
            arms = (
                view(cells, pre, post, n, log=log, choice=Choice(rule, NAN))
                for log in (log_first, not log_first)
            )
            r = next((arm.r for arm in arms if not math.isnan(arm.r)), NAN)
            if not math.isnan(r) and n > 0:
                z = math.atanh(max(-LARGEST_R, min(LARGEST_R, r)))
                found.setdefault(c.outcome, {}).setdefault(c.study, []).append((z, max(n - 3, 1.0)))
    out: dict[tuple[str, str], tuple[float, str]] = {}
    for study, outcome in dict.fromkeys((c.study, c.outcome) for c in comparisons):
        others = {name: known for name, known in found.get(outcome, {}).items() if name != study}
        if others:
            z, w = np.array([pair for known in others.values() for pair in known]).T
            words = "1 other trial" if len(others) == 1 else f"{len(others)} other trials"
            out[study, outcome] = (float(np.tanh(z @ w / w.sum())), f"{IMPUTED_R} from {words} of {outcome})")
    return out


def marked(way: Candidate, done: tuple[tuple[str, str], ...]) -> Candidate:
    """The candidate with (kind, sentence) of what was imputed for it; the same if nothing was."""
    if not done:
        return way
    kinds = " and ".join(dict.fromkeys(kind for kind, _ in done))
    sentences = tuple(words for kind, words in done if kind != "r")  # about an r the route speaks itself
    return replace(
        way,
        route=f"{way.route}, {kinds} imputed",
        assumptions=(*way.assumptions, *sentences),
        imputed=(*way.imputed, *done),
    )


def mark_r(ways: Sequence[Candidate]) -> list[Candidate]:
    """Those whose r is imputed marked so."""
    return [
        marked(way, (("r", f"pre-post correlation {way.r:.3g}, {way.r_source}"),))
        if IMPUTED_R in way.r_source
        else way
        for way in ways
    ]


def imputation_notes(
    used: Sequence[tuple[Comparison, Candidate]], arms: Columns, contrasts: Columns
) -> list[Note]:
    """One warning for every number that was imputed for an effect: code ``imputed-sd``, ``imputed-n`` or ``imputed-r``."""
    notes: dict[Note, None] = {}
    for comparison, candidate in used:
        table, row = (arms, next(iter(candidate.arm_rows or comparison.arm_rows), -1))
        if row < 0 or candidate.contrast_row >= 0:
            table, row = contrasts, candidate.contrast_row
        for kind, words in candidate.imputed:
            code, column = CODES[kind]
            notes[
                Note(
                    code,
                    "warning",
                    f"{comparison.study}, {comparison.outcome}: {words}.",
                    "Ask the authors for the number; the sensitivity analysis shows the answer without it.",
                    table.file,
                    int(table.lines[row]) if row >= 0 else None,
                    column,
                    study=comparison.study,
                )
            ] = None
    return list(notes)
