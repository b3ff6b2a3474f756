"""The paragraph of the answer that says how far it can be believed, from the questions of `credibility`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..base.format import number
from ..records import Bound, Paragraph, Question
from ..records.analysis import Phrase

HEADING = "Would you believe it"
SENTENCE = re.compile(r"(?<=[a-z)%0-9]\.) (?=[A-Z])")


def believed(questions: Sequence[Question]) -> Paragraph:
    """One or two sentences of each: a single trial, unpublished results, other choices, the interval itself."""
    by_name = {q.key.removeprefix("credibility/"): q for q in questions if q.kind == "credibility"}
    phrases: list[Phrase] = []
    if "influence" in by_name:
        phrases += [f"Does one trial carry it? {first(by_name['influence'].answer)} "]
    if "worst-case" in by_name:
        phrases += [*unpublished(by_name["worst-case"]), " "]
    if "multiverse" in by_name:
        phrases += [f"{first(by_name['multiverse'].answer)} "]
    if "calibration" in by_name:
        phrases += [first(by_name["calibration"].answer)]
    return Paragraph(HEADING, tuple(phrases))


def first(text: str) -> str:
    """The first sentence."""
    return SENTENCE.split(text, maxsplit=1)[0]


def unpublished(question: Question) -> list[Phrase]:
    """The question's answer with the average under half-published results bound to its number."""
    half = next((e for e in question.estimates if e.key.endswith("/eta-2") and e.available), None)
    if half is None:
        start, found, why = question.answer.partition("Not examined: ")
        return [
            f"What unpublished results would do was not examined: {why}"
            if found and not start
            else question.answer
        ]
    shown = number(half.estimate)
    before, found, after = question.answer.partition(f"the average would be {shown}")
    if not found:
        return [question.answer]
    link = Bound(shown, f"{half.key}.estimate", half.estimate, "table-credibility")
    return [f"{before}the average would be ", link, after]
