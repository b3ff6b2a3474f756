"""A planted review as text: tables, protocol and the truth beside them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isnan

from ..records import Columns, OutcomeRule, Plan
from .estimand import TrueAnswer
from .truth import Truth


def table_text(table: Columns) -> str:
    """A table as CSV; columns that are empty throughout are left out."""
    columns = {
        name: table.text(name) if table[name].dtype == object else _numbers(table, name)
        for name in table.names
    }
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(filled)
    writer.writerows(zip(*filled.values(), strict=True))
    return buffer.getvalue()


def _numbers(table: Columns, name: str) -> list[str]:
    # repr keeps every digit: the folder and the review in memory are the same
    return ["" if isnan(x) else (str(int(x)) if x == int(x) else repr(float(x))) for x in table.number(name)]


def truth_text(truth: Truth, answer: TrueAnswer, seed: int) -> str:
    """What was planted and the answer that it implies, as JSON."""
    content = {
        "label": "synthetic: simulated data with a planted truth",
        "seed": seed,
        "true_answer": asdict(answer),
        "planted": asdict(truth),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def protocol_text(plan: Plan, tables: Sequence[str]) -> str:
    """review.toml of a plan whose tables stand in files of their own name."""
    parts = [
        "# Simulated: truth.json beside this file holds what was planted.",
        _section(
            "review",
            {"title": plan.title, "sample": plan.sample, "sample_note": plan.sample_note, "seed": plan.seed},
        ),
        _section("question", plan.question),
        _section("files", {name: f"{name}.csv" for name in tables}),
        _section("classes", {"interventions": plan.intervention_classes, "outcomes": plan.outcome_classes}),
        _section("effect", {"measure": "ppc-g", "variance": plan.variance}),
        *(_outcome(rule) for rule in plan.outcomes.values()),
        _section("dependence", {"rho": plan.rho, "range": plan.rho_range}),
        _section(
            "model",
            {
                "randomised_only": plan.only_randomised,
                "times": plan.times,
                "level": plan.level,
                "relevance": plan.relevance,
            },
        ),
        _section(
            "questions",
            {
                "subgroups": plan.subgroups,
                "persistence_weeks": plan.persistence_weeks,
                "trials_per_moderator": plan.trials_per_moderator,
                "small_study_minimum": plan.small_study_minimum,
            },
        ),
        *(
            _section(
                "moderators",
                {"column": m.column, "label": m.label, "kind": m.kind, "unit": m.unit, "per": m.per},
                many=True,
            )
            for m in plan.moderators
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _outcome(rule: OutcomeRule) -> str:
    r = f"{{ value = {rule.r.value:g}, low = {rule.r.low:g}, high = {rule.r.high:g}, source = {_value(rule.r.source)} }}"
    keys = {
        "name": rule.name,
        "class": rule.outcome_class,
        "better": rule.better,
        "family": rule.family,
        "scale": rule.scale,
        "log_sd": rule.log_sd,
        "note": rule.note,
    }
    return f"{_section('outcomes', keys, many=True)}\nr = {r}"


def _section(name: str, values: Mapping[str, object], *, many: bool = False) -> str:
    header = f"[[{name}]]" if many else f"[{name}]"
    return "\n".join([header, *(f"{key} = {_value(value)}" for key, value in values.items())])


def _value(value: object) -> str:
    """A TOML value: JSON text is valid TOML for strings, whole numbers, booleans and lists of them."""
    if isinstance(value, tuple):
        return json.dumps(list(value), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
