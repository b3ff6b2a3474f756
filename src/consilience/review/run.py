"""The sentence of the package: a loaded review becomes an Analysis."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..base.distributions import normal_isf
from ..base.errors import InputError
from ..effects import count_people, trial_effects, trial_ratios
from ..effects.readings import readings
from ..models import study_averages
from ..records import (
    Analysis,
    Course,
    Effects,
    Estimate,
    Fit,
    Note,
    Plan,
    Question,
    Reading,
    Spec,
    StudyAverage,
)
from . import answer, methods
from .credibility import credibility
from .estimates import pooled
from .load import Loaded, load
from .persistence import persistence
from .provenance import provenance
from .questions import family_question, moderator_question, small_study_question, subgroup_question
from .selection import mark, pooled_rows, why_none
from .sensitivity import Primary, Progress, scenarios
from .tipping import tipping_points


def silent(stage: str, done: int, total: int) -> None:
    """The progress of a run that nobody watches."""


def run(folder: str | Path, *, progress: Progress | None = None) -> Analysis:
    """Load a review folder and analyse it.

    Raises
    ------
    UsageError : there is no such review.
    InputError : protocol or data have errors (code ``"review-has-errors"``); `load` lists them.
    """
    return analyse(load(folder), progress=progress)


def analyse(review: Loaded, *, progress: Progress | None = None) -> Analysis:
    """The whole answer of a loaded review: effects, primary analysis, questions, sensitivity, words."""
    plan = usable_plan(review)
    progress = progress or silent
    progress("Primary analysis", 0, 1)
    primary = primary_of(review, plan)
    effects, model, overall = primary.every, primary.model, primary.estimate
    ratios = mark(trial_ratios(review.reported, plan), plan)
    questions, course = _questions(primary, pooled_rows(ratios), progress)
    changed = scenarios(primary, progress=progress) if overall.available else ()
    tips = tipping_points(primary, changed, progress=progress)
    looked = credibility(primary, review, progress=progress)
    questions = (*questions, *looked.questions)
    found = answer.Findings(plan, overall, questions, changed, tips, course, len(review.reported.trials))
    return Analysis(
        plan=plan,
        reported=review.reported,
        effects=effects,
        ratios=ratios,
        overall=overall,
        questions=questions,
        scenarios=changed,
        tipping=tips,
        course=course,
        studies=study_rows(primary),
        answer=answer.write(found),
        methods=methods.paragraphs(plan, effects),
        references=methods.references(plan),
        assumptions=methods.assumptions(plan, effects),
        notes=_all_notes(review, effects, ratios, model),
        readings=_readings(plan, overall),
        diagnostics=looked.records,
        provenance=provenance(plan, inputs=review.inputs, protocol=review.protocol),
    )


def primary_of(review: Loaded, plan: Plan) -> Primary:
    """The effects of a review and the average that its protocol asks for."""
    effects = mark(trial_effects(review.reported, plan), plan)
    spec = Spec.che(level=plan.level)
    chosen = pooled_rows(effects)
    overall, model = pooled(chosen, spec, key="overall", label="all outcomes")
    if not chosen.k:
        overall = replace(overall, reason=why_none(effects))
    return Primary(review.reported, plan, spec, effects, chosen, model, overall)


def usable_plan(review: Loaded) -> Plan:
    """The plan of a review without errors; raises InputError ``review-has-errors``."""
    errors = [note for note in review.notes if note.severity == "error"]
    if errors or review.plan is None:
        listed = "\n".join(f"  {note}" for note in errors)
        raise InputError(f"The review has errors:\n{listed}", code="review-has-errors")
    return review.plan


def _questions(primary: Primary, ratios: Effects, progress: Progress) -> tuple[tuple[Question, ...], Course]:
    plan, effects, spec = primary.plan, primary.effects, primary.spec
    overall = Question("overall", "overall", "Does it help?", (primary.estimate,))
    found: list[Question] = [overall]
    if not primary.estimate.available:
        return tuple(found), Course()
    progress("Questions", 0, 1)
    families = set(effects["family"].tolist())
    found += [family_question(effects, ratios, spec, f) for f in ("beneficial", "harmful") if f in families]
    found += [subgroup_question(effects, plan, spec, column) for column in plan.subgroups]
    lasting, course = persistence(effects, plan, spec)
    found.append(lasting)
    found += [moderator_question(effects, plan, spec, moderator) for moderator in plan.moderators]
    found.append(small_study_question(effects, plan, spec))
    return tuple(found), course


def study_rows(primary: Primary) -> tuple[StudyAverage, ...]:
    """Each trial's average under the primary working model, in the order of its class and name."""
    model = primary.model
    if model is None:
        return ()
    averages = study_averages(model)
    effects = primary.effects
    z = float(normal_isf((1 - primary.plan.level) / 2))
    rows = []
    for study, y, se, weight in zip(
        averages.study, averages.estimate, averages.se, averages.weight, strict=True
    ):
        own = effects.take(effects.study == study)
        rows.append(
            StudyAverage(
                study=str(study),
                label=str(study),
                group=str(own["intervention_class"][0]),
                estimate=float(y),
                ci_low=float(y - z * se),
                ci_high=float(y + z * se),
                weight=float(weight),
                n_effects=own.k,
                n_people=count_people(own),
                risk_of_bias=str(own["risk_of_bias"][0]),
            )
        )
    order = {name: i for i, name in enumerate(primary.plan.intervention_classes)}
    return tuple(sorted(rows, key=lambda s: (order.get(s.group, len(order)), s.group, s.study)))


def _readings(plan: Plan, overall: Estimate) -> tuple[Reading, ...]:
    if not overall.available:
        return ()
    limits = (overall.estimate, overall.ci_low, overall.ci_high)
    return readings(*limits, response_rate=plan.response_rate, instruments=plan.instruments)


def _all_notes(review: Loaded, effects: Effects, ratios: Effects, model: Fit | None) -> tuple[Note, ...]:
    later = dict.fromkeys((*effects.notes, *ratios.notes))
    found = [*review.notes, *review.settled(later), *(model.notes if model is not None else ())]
    return tuple(dict.fromkeys(found))
