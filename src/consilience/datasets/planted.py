"""A simulated review with a known answer: drawn from a `Truth`, in memory or as a folder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ..data.schema import TABLES, TableSchema
from ..records import Columns, Correlation, Moderator, OutcomeRule, Plan, Reported
from .design import DrawnTrial, draw_design, draw_people
from .estimand import truth_of
from .folder import empty_folder
from .printing import Row, arm_rows, contrast_rows, marker_note
from .truth import Truth
from .writing import protocol_text, table_text, truth_text

LABEL = "Simulated data with a planted truth: no real trial and no real person is in it."
_R_MARGIN = 0.15
_JUDGEMENTS = ("low", "some", "high")
_MODERATORS = (
    Moderator("mean_age", "mean age", unit="years", per=10.0),
    Moderator("percent_female", "share of women", unit="percentage points", per=10.0),
    Moderator("treatment_weeks", "length of treatment", unit="weeks", per=4.0),
    Moderator("year", "publication year", unit="years", per=5.0),
    Moderator("risk_of_bias", "risk of bias", kind="category"),
)


def planted(truth: Truth, seed: int = 1) -> tuple[Reported, Plan]:
    """The reported numbers of a simulated review and its protocol.

    Every person is drawn: the printed summaries have the joint distribution that real ones would have. The same
    truth and seed give the same review.
    """
    return _printed(truth, drawn_trials(truth, seed), seed)


def drawn_trials(truth: Truth, seed: int = 1) -> tuple[DrawnTrial, ...]:
    """The design and the true effects behind `planted(truth, seed)`."""
    return draw_design(truth, np.random.default_rng([seed, 0]))


def _printed(truth: Truth, trials: Sequence[DrawnTrial], seed: int) -> tuple[Reported, Plan]:
    rng = np.random.default_rng([seed, 1])
    arms: list[Row] = []
    contrasts: list[Row] = []
    for trial in trials:
        treated, control = draw_people(truth, trial, rng)
        people = {"treatment": treated, "control": control}
        arms += arm_rows(truth, trial, people)
        contrasts += contrast_rows(truth, trial, people)
    facts = np.random.default_rng([seed, 2])
    reported = Reported(
        trials=_columns([_trial_row(trial, facts) for trial in trials], TABLES["trials"]),
        arms=_columns(arms, TABLES["arms"]),
        contrasts=_columns(contrasts, TABLES["contrasts"]),
        risk_of_bias=_columns([], TABLES["risk_of_bias"]),
    )
    return reported, planted_plan(truth, seed)


def _trial_row(trial: DrawnTrial, rng: np.random.Generator) -> Row:
    """Facts of a trial that have nothing to do with its effect: a moderator that is found here is a chance find."""
    return {
        "study": trial.study,
        "citation": f"{trial.study}: simulated, not a real trial",
        "year": float(rng.integers(1990, 2019)),
        "intervention_class": trial.intervention_class,
        "n_randomised": float(trial.n_treatment + trial.n_control),
        "mean_age": float(np.round(rng.uniform(20, 75), 1)),
        "percent_female": float(np.round(rng.uniform(20, 100))),
        "treatment_weeks": trial.weeks,
        "control_type": str(rng.choice(("wait list", "usual care", "attention"))),
        "randomised": "yes",
        "risk_of_bias": str(rng.choice(_JUDGEMENTS, p=(0.3, 0.5, 0.2))),
        "source": "simulated",
    }


def _columns(rows: Sequence[Row], schema: TableSchema) -> Columns:
    """Rows as typed columns, all of the schema's columns included."""
    data = {}
    for field in schema.fields:
        if field.kind == "number":
            data[field.name] = np.array([row.get(field.name, np.nan) for row in rows], dtype=float)
        else:
            data[field.name] = np.array([row.get(field.name, "") for row in rows], dtype=object)
    return Columns(f"{schema.name}.csv", np.arange(2, len(rows) + 2), data)


def planted_plan(truth: Truth, seed: int = 1) -> Plan:
    """The protocol of a planted review: it knows the true pre-post correlations, with a margin."""
    rules = {
        m.name: OutcomeRule(
            name=m.name,
            outcome_class=m.outcome_class,
            better=m.better,
            family=m.family,
            scale="log",
            r=Correlation(
                m.r, round(max(m.r - _R_MARGIN, 0.0), 3), round(min(m.r + _R_MARGIN, 0.98), 3), "planted"
            ),
            log_sd=m.log_sd,
            note=marker_note(m),
        )
        for m in truth.markers
    }
    return Plan(
        title="A simulated review with a planted truth",
        sample="synthetic",
        sample_note=LABEL,
        seed=seed,
        question={
            "population": "simulated people",
            "intervention": "simulated interventions",
            "comparator": "simulated controls",
            "outcome": "simulated immune markers",
        },
        intervention_classes=tuple(truth.class_effects),
        outcome_classes=_distinct(m.outcome_class for m in truth.markers),
        outcomes=rules,
        moderators=_MODERATORS,
    )


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def write_planted(folder: Path | str, truth: Truth, seed: int = 1) -> Path:
    """The planted review as a folder: protocol, tables and ``truth.json`` with what was planted.

    Raises
    ------
    UsageError : the folder holds something.
    """
    target = empty_folder(folder)
    trials = drawn_trials(truth, seed)
    reported, plan = _printed(truth, trials, seed)
    for name in ("trials", "arms", "contrasts"):
        table: Columns = getattr(reported, name)
        if len(table):
            (target / f"{name}.csv").write_text(table_text(table), encoding="utf-8", newline="")
    present = [name for name in ("trials", "arms", "contrasts") if len(getattr(reported, name))]
    (target / "truth.json").write_text(truth_text(truth, truth_of(truth, trials), seed), encoding="utf-8")
    (target / "review.toml").write_text(protocol_text(plan, present), encoding="utf-8")
    return target
