"""The plain-language answer: sentences whose numbers are bound to the results that they come from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from ..base.format import count, number, percent, plural
from ..records import Bound, Course, Estimate, Paragraph, Plan, Question, Scenario, Tipping
from ..records.analysis import Phrase
from .belief import believed
from .estimates import LOW_DF
from .persistence import verdict
from .questions import MEASURED

SAMPLE_WORDS = {
    "systematic": "",
    "convenience": "These trials are a convenience sample, not a systematic search: the answer holds for them, not for all trials.",
    "synthetic": "These data are synthetic: made by a simulation to test the software. They say nothing about any treatment.",
}


# What a scenario does to the interval; limits that round to 0.00 do not show it.
CHANGED = {
    "weaker": ", which includes no effect",
    "stronger": ", which excludes no effect",
    "reversed": ", on the other side of no effect",
}
SMALL_STUDY_UNKNOWN = "Whether small trials report larger effects is not known: there are too few to test it."


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
            believed(found.questions),
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
    first = "percent" if key.endswith(("/percent", "/implied")) else key.split("/", maxsplit=1)[0]
    tables = {
        "overall": "table-summary",
        "family": "table-summary",
        "percent": "table-percent",
        "subgroup": "table-subgroups",
        "moderator": "table-moderators",
        "persistence": "table-persistence",
        "small-study": "table-small-study",
        "sensitivity": "table-sensitivity",
        "tipping": "table-tipping",
        "credibility": "table-credibility",
    }
    return tables[first]


def with_interval(e: Estimate, plan: Plan) -> list[Phrase]:
    """estimate (95% CI low to high), each number bound."""
    return [bound(e, "estimate"), f" ({_level(plan)} CI ", *_limits(e), ")"]


def _limits(e: Estimate) -> list[Phrase]:
    return [bound(e, "ci_low"), " to ", bound(e, "ci_high")]


def _level(plan: Plan) -> str:
    return f"{100 * plan.level:g}%"


def asked(found: Findings) -> Paragraph:
    q = found.plan.question
    overall, known = found.overall, found.n_trials_known
    phrases: list[Phrase] = [
        f"What is the effect of {q['intervention']} on {q['outcome']} in {q['population']}, compared with "
        f"{q['comparator']}?"
    ]
    if overall.available:
        every = overall.n_trials == known
        phrases += [
            " The answer rests on ",
            bound(overall, "n_effects", count(overall.n_effects)),
            " results of all " if every else " results of ",
            bound(overall, "n_trials", count(overall.n_trials)),
            f"{'' if every else f' of the {known:,}'} trials in this review, with ",
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
        *with_interval(e, found.plan),
        ". ",
    ]
    phrases += [
        "In a new trial like these, the true effect on a single outcome could lie anywhere from ",
        bound(e, "pi_low"),
        " to ",
        bound(e, "pi_high"),
        f" ({_level(found.plan)} prediction interval)",
        "." if e.pi_low > 0 or e.pi_high < 0 else ", so no benefit at all is among the possibilities.",
    ]
    return Paragraph("The answer", tuple(phrases))


def _verdict(e: Estimate, plan: Plan) -> str:
    """One sentence that says no more than the interval and the kind of sample do."""
    size = f"g = {number(plan.relevance)}"
    if e.trust:
        return "It is not known: there are too few trials for a trustworthy interval (fewer than 4 degrees of freedom)."
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
    shown: list[Estimate] = []
    for family, words in (
        ("harmful", "Markers where lower is better"),
        ("beneficial", "Markers where higher is better"),
    ):
        question = found.question(f"family/{family}")
        if question is None:
            continue
        _, direct, implied = question.estimates
        phrases += _measured(words, question, found.plan)
        if implied.available:
            trials = bound(implied, "n_trials", plural(implied.n_trials, "trial"))
            phrases += [" Translated from the g of ", trials, ": ", *with_interval(implied, found.plan), "."]
        phrases.append(" ")
        shown += [e for e in (direct, implied) if e.available]
    return Paragraph("How much, in percent", (*phrases, *_which_to_trust(shown)))


def _measured(words: str, question: Question, plan: Plan) -> list[Phrase]:
    """The percent change as measured, and who carries it."""
    direct = question.estimates[1]
    if not direct.available:
        return [f"{words}: no percent change could be measured. {direct.reason}"]
    trials = bound(direct, "n_trials", plural(direct.n_trials, "trial"))
    end = "; that includes no change." if direct.ci_low <= 0 <= direct.ci_high else "."
    carried = [n.removeprefix(f"{MEASURED}: ") for n in question.notes if n.startswith(MEASURED)]
    start = [f"{words}: ", *with_interval(direct, plan), " against control, as measured in ", trials, end]
    return [*start, *(f" {note}" for note in carried)]


def _which_to_trust(shown: Sequence[Estimate]) -> list[Phrase]:
    """Said once: which of the intervals rest on enough trials."""
    trusted = [e for e in shown if not e.trust]
    if len(trusted) == len(shown):
        return []
    if not trusted:
        which = "This interval rests" if len(shown) == 1 else "All of these intervals rest"
        return [f"{which} on too few trials to be trusted."]
    phrases: list[Phrase] = ["Of these intervals, only "]
    for index, e in enumerate(trusted):
        phrases += [" and " if index else "", *_limits(e)]
    return [*phrases, f" {'rests' if len(trusted) == 1 else 'rest'} on enough trials to be trusted."]


def for_whom(found: Findings) -> Paragraph:
    """Classes and moderators by what can be said: they differ (in full), no evidence, too few trials (by name)."""
    differ: list[str] = []
    same: list[str] = []
    unknown: list[str] = []
    asked_about = [q for q in found.questions if q.kind in ("subgroup", "moderator")]
    for question in asked_about:
        p = _p_value(question)
        if p is not None and p < 1 - found.plan.level:
            differ.append(question.answer)
        else:
            (unknown if p is None else same).append(_feature(found.plan, question))
    sentences = [*differ]
    if same:
        sentences.append(f"There is no evidence that the effect depends on {_listed(same)}.")
    if unknown:
        sentences.append(
            f"Whether the effect depends on {_listed(unknown)} cannot be said: there are too few trials to tell."
        )
    if len(differ) < len(asked_about):
        sentences.append("Differences that no test supports are no finding.")
    return Paragraph("For whom", (" ".join(sentences),) if sentences else ())


def _p_value(question: Question) -> float | None:
    """p of the question's test or slope; None where there is none that can be trusted."""
    if not _usable(question):
        return None
    return question.test.p_value if question.test is not None else question.estimates[0].p_value


def _usable(question: Question) -> bool:
    """Can the test be trusted? A test or slope with fewer than four degrees of freedom cannot."""
    if question.test is not None:
        return question.test.df2 >= LOW_DF and isfinite(question.test.p_value)
    slopes = [e for e in question.estimates if e.scale == "slope"]
    return any(e.available and not e.trust for e in slopes)


def _feature(plan: Plan, question: Question) -> str:
    """``intervention class``; a moderator by its declared label."""
    column = question.key.split("/", 1)[1]
    labels = {m.column: m.label for m in plan.moderators} if question.kind == "moderator" else {}
    return labels.get(column, column.replace("_", " "))


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
        *with_interval(late, found.plan),
        " in ",
        bound(late, "n_trials", plural(late.n_trials, "trial")),
        ". ",
    ]
    phrases.append(verdict(late, question.estimates, found.plan.persistence_weeks))
    return Paragraph("How long", tuple(phrases))


def how_sure(found: Findings) -> Paragraph:
    e = found.overall
    none = number(sum(e.tau2.values()) ** 0.5) == number(0.0)
    phrases: list[Phrase] = [
        "True effects may differ between trials and between results of one trial, but these trials do not show it: the "
        "standard deviation is estimated as "
        if none
        else "True effects differ, between trials and between results of one trial together, with a standard deviation of about ",
        Bound(
            number(sum(e.tau2.values()) ** 0.5),
            "overall.tau_total",
            sum(e.tau2.values()) ** 0.5,
            "table-overall",
        ),
        "; ",
        bound(e, "share_in_favour", f"{100 * e.share_in_favour:.0f}%"),
        " of the trials lean towards benefit, however slightly. ",
    ]
    changed = [s for s in found.scenarios if s.verdict not in ("same", "unavailable")]
    done = [s for s in found.scenarios if s.verdict != "unavailable"]
    if done:
        kept = len(done) - len(changed)
        phrases.append(
            f"In {kept} of {plural(len(done), 'sensitivity analysis', 'sensitivity analyses')} the interval lies on "
            "the same side of no effect. "
        )
    small = found.question("small-study")
    if small is not None:
        too_few = any(e.trust or not e.available for e in small.estimates)
        phrases.append(SMALL_STUDY_UNKNOWN if too_few else small.answer)
    return Paragraph("How sure", tuple(phrases))


def what_would_change_it(found: Findings) -> Paragraph:
    phrases: list[Phrase] = []
    changed = [s for s in found.scenarios if s.verdict not in ("same", "unavailable")]
    if changed:
        phrases.append("The conclusion changes with one choice made differently: ")
        for index, s in enumerate(changed[:6]):
            phrases += ["; " if index else "", f"{s.label} (g = ", bound(s.estimate, "estimate")]
            phrases += [f", {_level(found.plan)} CI ", *_limits(s.estimate), f"{CHANGED[s.verdict]})"]
        phrases.append(f"; and {len(changed) - 6} more. " if len(changed) > 6 else ". ")
    phrases += [f"{tip.sentence} " for tip in found.tipping]
    return Paragraph("What would change it", tuple(phrases))


def limits(found: Findings) -> Paragraph:
    """What the numbers are not; the reviewers' own note on the sample heads the page."""
    sentences = [SAMPLE_WORDS[found.plan.sample]]
    if found.plan.surrogate and found.plan.sample != "synthetic":
        sentences.append("The markers are surrogates: a change in a marker is not a change in illness.")
    sentences.append(
        "Differences between groups of trials are comparisons between trials, not results of randomisation."
    )
    return Paragraph("What this is not", (" ".join(s for s in sentences if s),))
