"""The plain-language answer: sentences whose numbers are bound to the results that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..base.format import count, number, percent, plural
from ..records import Bound, Course, Estimate, Paragraph, Plan, Question, Scenario, Tipping
from ..records.analysis import Phrase
from .estimates import LOW_DF
from .persistence import verdict
from .questions import MEASURED

SAMPLE_WORDS = {
    "systematic": "",
    "convenience": "These trials are a convenience sample, not a systematic search: the answer holds for them, not for all trials.",
    "synthetic": "These data are synthetic: made by a simulation to test the software. They say nothing about any treatment.",
}


SMALL_STUDY_UNKNOWN = (
    "Whether small trials report larger effects cannot be tested reliably with so few trials."
)
FEW = "too few trials for a trustworthy interval"


@dataclass(frozen=True)
class Findings:
    """What the answer is written from."""

    plan: Plan
    overall: Estimate
    questions: tuple[Question, ...]
    scenarios: tuple[Scenario, ...]
    tipping: tuple[Tipping, ...]
    course: Course
    n_trials_known: int  # trials in the review, pooled or not

    def question(self, key: str) -> Question | None:
        return next((q for q in self.questions if q.key == key), None)


def write(found: Findings) -> tuple[Paragraph, ...]:
    """The paragraphs of the answer, in reading order."""
    paragraphs = [asked(found), headline(found)]
    if found.overall.available:
        paragraphs += [
            in_percent(found),
            for_whom(found),
            how_long(found),
            how_sure(found),
            what_would_change_it(found),
        ]
    paragraphs.append(limits(found))
    return tuple(p for p in paragraphs if p.phrases)


def bound(e: Estimate, field: str, text: str | None = None) -> Bound:
    """A number of an estimate as it stands in a sentence."""
    value = getattr(e, field)
    shown = percent(value) if e.scale == "percent" else number(value)
    return Bound(text if text is not None else shown, f"{e.key}.{field}", float(value), anchor(e.key))


def anchor(key: str) -> str:
    """The table of the report that shows a result."""
    first = key.split("/", maxsplit=1)[0]
    tables = {
        "overall": "table-summary",
        "family": "table-summary",
        "subgroup": "table-subgroups",
        "moderator": "table-moderators",
        "persistence": "table-persistence",
        "small-study": "table-moderators",
        "sensitivity": "table-sensitivity",
        "tipping": "table-tipping",
    }
    return tables[first]


def with_interval(e: Estimate) -> list[Phrase]:
    """estimate (95% CI low to high), each number bound."""
    return [bound(e, "estimate"), " (95% CI ", bound(e, "ci_low"), " to ", bound(e, "ci_high"), ")"]


def asked(found: Findings) -> Paragraph:
    q = found.plan.question
    parts = [
        f"Do {q['intervention']}, compared with {q['comparator']}, change {q['outcome']} in {q['population']}? "
    ]
    overall = found.overall
    phrases: list[Phrase] = list(parts)
    if overall.available:
        phrases += [
            "The answer rests on ",
            bound(overall, "n_effects", count(overall.n_effects)),
            " results of ",
            bound(overall, "n_trials", count(overall.n_trials)),
            f" of the {plural(found.n_trials_known, 'trial')} in this review, with ",
            bound(overall, "n_people", count(overall.n_people)),
            " people",
            f" (not counting {plural(overall.n_unsized, 'trial')} of unknown size)."
            if overall.n_unsized
            else ".",
        ]
    return Paragraph("What was asked", tuple(phrases))


def headline(found: Findings) -> Paragraph:
    e = found.overall
    if not e.available:
        return Paragraph("The answer", (f"No pooled answer is possible. {e.reason}",))
    phrases: list[Phrase] = [
        _verdict(e, found.plan),
        " The average effect was g = ",
        *with_interval(e),
        ". ",
    ]
    phrases += [
        "In a new trial like these, the true effect on a single outcome could lie anywhere from ",
        bound(e, "pi_low"),
        " to ",
        bound(e, "pi_high"),
        " (95% prediction interval)",
        "." if e.pi_low > 0 or e.pi_high < 0 else ", so no benefit at all is among the possibilities.",
    ]
    if e.trust:
        phrases.append(f" {e.trust}")
    return Paragraph("The answer", tuple(phrases))


def _verdict(e: Estimate, plan: Plan) -> str:
    """One sentence that says no more than the interval and the kind of sample do."""
    size = f"g = {number(plan.relevance)}"
    if e.trust:
        return "It is not known: there are too few trials for a trustworthy interval."
    where = "On average" if plan.sample == "systematic" else "In these trials, on average"
    if e.ci_low > plan.relevance:
        return f"{where}, yes: the benefit is larger than the smallest that matters here ({size})."
    if e.ci_low > 0:
        return f"{where}, yes, but the benefit may be smaller than what matters ({size})."
    if e.ci_high < 0:
        return f"{where}, no: the results are on the side of harm."
    if e.ci_high < plan.relevance:
        return f"{where}, no benefit of a size that matters ({size}) was found, and a larger one is unlikely."
    return f"It is not known: the results are compatible with no effect and with a benefit that matters ({size})."


def in_percent(found: Findings) -> Paragraph:
    phrases: list[Phrase] = []
    for family, words in (
        ("harmful", "Markers of which less is better"),
        ("beneficial", "Markers of which more is better"),
    ):
        question = found.question(f"family/{family}")
        if question is None:
            continue
        _, direct, implied = question.estimates
        if direct.available:
            phrases += [
                f"{words} changed by ",
                *with_interval(direct),
                " against the control arms, measured in ",
            ]
            phrases += [
                bound(direct, "n_trials", plural(direct.n_trials, "trial")),
                " that print what is needed",
            ]
            phrases.append("; that includes no change" if direct.ci_low <= 0 <= direct.ci_high else "")
            phrases.append(f" ({FEW})." if direct.trust else ".")
            phrases += [
                f" {note.removeprefix(f'{MEASURED}: ')}"
                for note in question.notes
                if note.startswith(MEASURED)
            ]
        else:
            phrases.append(f"{words}: no percent change could be measured. {direct.reason}")
        if implied.available:
            phrases += [
                " The g of all ",
                bound(implied, "n_trials", plural(implied.n_trials, "trial")),
                " implies ",
            ]
            phrases += [*with_interval(implied), f" ({FEW}). " if implied.trust else ". "]
        else:
            phrases.append(" ")
    return Paragraph("In percent", tuple(phrases))


def for_whom(found: Findings) -> Paragraph:
    phrases: list[Phrase] = []
    for question in found.questions:
        if question.kind == "subgroup":
            phrases.append(f"{question.answer} ")
    moderators = [q for q in found.questions if q.kind == "moderator"]
    usable = [q for q in moderators if _usable(q)]
    phrases += [f"{question.answer} " for question in usable]
    names = [_moderator_label(found.plan, q) for q in moderators if q not in usable]
    if names:
        phrases.append(
            f"Whether it depends on {_listed(names)} cannot be said: there are too few trials to tell."
        )
    return Paragraph("For whom", tuple(phrases))


def _usable(question: Question) -> bool:
    """Can the moderator's test be trusted? A test or slope with fewer than four degrees of freedom cannot."""
    if question.test is not None:
        return question.test.df2 >= LOW_DF
    return any(e.available and not e.trust for e in question.estimates) and len(question.estimates) == 1


def _moderator_label(plan: Plan, question: Question) -> str:
    column = question.key.split("/", 1)[1]
    return next(m.label for m in plan.moderators if m.column == column)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def how_long(found: Findings) -> Paragraph:
    question = found.question("persistence")
    if question is None:
        return Paragraph("How long", ())
    late = question.estimates[0]
    if not late.available:
        return Paragraph("How long", (question.answer,))
    weeks = f"{found.plan.persistence_weeks:g} weeks or more after treatment ended, the average was g = "
    phrases: list[Phrase] = [
        weeks,
        *with_interval(late),
        " in ",
        bound(late, "n_trials", plural(late.n_trials, "trial")),
        ". ",
    ]
    phrases.append(verdict(late, question.estimates, found.plan.persistence_weeks))
    return Paragraph("How long", tuple(phrases))


def how_sure(found: Findings) -> Paragraph:
    e = found.overall
    phrases: list[Phrase] = [
        "True effects differ, between trials and between results of one trial together, with a standard deviation of about ",
        Bound(
            number(sum(e.tau2.values()) ** 0.5),
            "overall.tau_total",
            sum(e.tau2.values()) ** 0.5,
            "table-summary",
        ),
        "; of the trials, ",
        bound(e, "share_in_favour", f"{100 * e.share_in_favour:.0f}%"),
        " had an average in favour. ",
    ]
    changed = [s for s in found.scenarios if s.verdict not in ("same", "unavailable")]
    done = [s for s in found.scenarios if s.verdict != "unavailable"]
    if done:
        kept = len(done) - len(changed)
        phrases.append(
            f"On which side of no effect the interval lies stayed the same in {kept} of "
            f"{plural(len(done), 'sensitivity analysis', 'sensitivity analyses')}. "
        )
    small = found.question("small-study")
    if small is not None:
        too_few = any(e.trust for e in small.estimates)
        phrases.append(SMALL_STUDY_UNKNOWN if too_few else small.answer)
    return Paragraph("How sure", tuple(phrases))


def what_would_change_it(found: Findings) -> Paragraph:
    phrases: list[Phrase] = []
    changed = [s for s in found.scenarios if s.verdict not in ("same", "unavailable")]
    if changed:
        phrases.append("The conclusion changes in these analyses: ")
        for index, s in enumerate(changed[:6]):
            phrases += ["; " if index else "", f"{s.label}: g = ", *with_interval(s.estimate)]
        phrases.append(f"; and {len(changed) - 6} more. " if len(changed) > 6 else ". ")
    phrases += [f"{tip.sentence} " for tip in found.tipping]
    return Paragraph("What would change it", tuple(phrases))


def limits(found: Findings) -> Paragraph:
    """What the numbers are not."""
    sentences = [SAMPLE_WORDS[found.plan.sample], found.plan.sample_note]
    if found.plan.sample != "synthetic":
        sentences.append("Immune markers are surrogates: a change in a marker is not a change in illness.")
    sentences.append(
        "Differences between groups of trials are comparisons between trials, not results of randomisation."
    )
    return Paragraph("What this is not", (" ".join(s for s in sentences if s),))
