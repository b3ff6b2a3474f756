"""results.json: everything that the report shows, as data, the same bytes on every run."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping

import numpy as np

from ..base.errors import InputError
from ..records import Analysis, Columns, Design, Effects, Estimate, Fit, Question

SCHEMA = "consilience-results/1"


def build_results(analysis: Analysis) -> dict[str, object]:
    """The content of results.json as plain dicts, lists, text, numbers and None.

    Raises
    ------
    InputError (``duplicate-key``) when two different results claim one key.
    """
    return {
        "schema": SCHEMA,
        "plan": plain(analysis.plan),
        "answer": plain(analysis.answer),
        "results": collect_results(analysis),
        "questions": [_question(question) for question in analysis.questions],
        "scenarios": [
            {
                "key": s.key,
                "group": s.group,
                "label": s.label,
                "verdict": s.verdict,
                "estimate": s.estimate.key,
            }
            for s in analysis.scenarios
        ],
        "tipping": plain(analysis.tipping),
        "readings": plain(analysis.readings),
        "course": plain(analysis.course),
        "diagnostics": diagnostics(analysis),
        "studies": plain(analysis.studies),
        "effects": effects_rows(analysis.effects),
        "ratios": effects_rows(analysis.ratios),
        "dropped": plain(analysis.effects.dropped),
        "trials": _columns_rows(analysis.reported.trials),
        "risk_of_bias": _columns_rows(analysis.reported.risk_of_bias),
        "methods": list(analysis.methods),
        "references": list(analysis.references),
        "assumptions": list(analysis.assumptions),
        "notes": plain(analysis.notes),
        "provenance": plain(analysis.provenance),
    }


def diagnostics(analysis: Analysis) -> dict[str, object]:
    """Name -> record without the effects, fits and designs that it was computed from: those stand elsewhere."""
    return {
        name: {
            f.name: plain(getattr(record, f.name))
            for f in dataclasses.fields(record)
            if not isinstance(getattr(record, f.name), Effects | Fit | Design)
        }
        for name, record in analysis.diagnostics.items()
        if dataclasses.is_dataclass(record)
    }


def collect_results(analysis: Analysis) -> dict[str, object]:
    """Every number that a sentence may cite: key -> fields. `lookup` finds a number in it."""
    found: dict[str, object] = {}
    for key, record in _keyed(analysis):
        value = plain(record)
        if isinstance(record, Estimate):
            assert isinstance(value, dict)
            total = sum(record.tau2.values()) if record.tau2 else math.nan
            value |= {"tau2_total": plain(total), "tau_total": plain(math.sqrt(total))}
        if key in found and found[key] != value:
            raise InputError(
                f'Two different results have the key "{key}".',
                code="duplicate-key",
                advice="Give every estimate, scenario and tipping point its own key.",
            )
        found[key] = value
    return found


def _keyed(analysis: Analysis) -> Iterator[tuple[str, object]]:
    yield analysis.overall.key, analysis.overall
    for question in analysis.questions:
        for estimate in question.estimates:
            yield estimate.key, estimate
        if question.test is not None:
            yield f"{question.key}/test", question.test
    for scenario in analysis.scenarios:
        yield scenario.estimate.key, scenario.estimate
    for tipping in analysis.tipping:
        yield f"tipping/{tipping.key}", tipping
    yield "plan", {name: getattr(analysis.plan, name) for name in PLAN_NUMBERS}
    yield "counts", _counts(analysis)


PLAN_NUMBERS = (
    "level",
    "persistence_weeks",
    "relevance",
    "rho",
    "small_study_minimum",
    "trials_per_moderator",
)


def _counts(analysis: Analysis) -> dict[str, int]:
    """How many rows there are of each kind; the numbers of the primary analysis are in its own result."""
    return {
        "trials_reported": len(analysis.reported.trials),
        "rows_reported": analysis.reported.n_rows,
        "effects_computed": analysis.effects.k,
        "ratios_computed": analysis.ratios.k,
        "rows_dropped": len(analysis.effects.dropped),
        "scenarios": len(analysis.scenarios),
        "decisions": len(analysis.plan.decisions),
        "notes": len(analysis.notes),
    }


def _question(question: Question) -> dict[str, object]:
    """A question with the keys of its results instead of their numbers."""
    return {
        "key": question.key,
        "kind": question.kind,
        "title": question.title,
        "answer": question.answer,
        "notes": list(question.notes),
        "estimates": [estimate.key for estimate in question.estimates],
        "test": f"{question.key}/test" if question.test is not None else None,
    }


def lookup(results: Mapping[str, object], key: str) -> object:
    """The number that `key` names: ``<result>.<field>`` or ``<result>.<field>.<part>``.

    A result's own key may hold dots, so the longest key that exists wins. Raises KeyError.
    """
    table = results["results"]
    assert isinstance(table, dict)
    parts = key.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        value: object = table.get(".".join(parts[:cut]))
        for part in parts[cut:]:
            value = value.get(part, _MISSING) if isinstance(value, dict) else _MISSING
        if value is not _MISSING:
            return value
    raise KeyError(f"no result {key!r} in results.json")


_MISSING = object()


def effects_rows(effects: Effects) -> dict[str, object]:
    """Effects as ``{"measure", "columns", "rows"}``: one list a row, y and v first."""
    names = ["study", "y", "v", *(name for name in effects.columns if name != "study")]
    arrays = [effects.study, effects.y, effects.v, *(effects.columns[name] for name in names[3:])]
    return {
        "measure": effects.measure,
        "columns": names,
        "rows": [list(row) for row in zip(*(plain(array) for array in arrays), strict=True)],
    }


def _columns_rows(columns: Columns) -> dict[str, object]:
    arrays = [plain(columns[name]) for name in columns.names]
    return {"columns": list(columns.names), "rows": [list(row) for row in zip(*arrays, strict=True)]}


def plain(value: object) -> object:
    """Records and arrays as dicts, lists, text, numbers and None (NaN is None, infinity is text)."""
    if isinstance(value, float | np.floating):
        if math.isfinite(value):
            return float(value)
        return None if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if value is None or isinstance(value, str):
        return value
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} cannot be stored in results.json")


def results_text(results: Mapping[str, object]) -> str:
    """results.json as text: sorted keys, one record or row a line, floats to the last digit."""
    return _dump(results, 0) + "\n"


def _dump(value: object, depth: int) -> str:
    """One record or table row a line: readable, and a changed row is a changed line."""
    pad = " " * (depth + 1)
    if isinstance(value, dict) and depth < 2 and value:
        items = [f"{_compact(name)}: {_dump(value[name], depth + 1)}" for name in sorted(value)]
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        items = [
            _dump(item, max(depth + 1, 2)) if isinstance(item, dict) else _compact(item) for item in value
        ]
    else:
        return _compact(value)
    left, right = "{}" if isinstance(value, dict) else "[]"
    return f"{left}\n{pad}" + f",\n{pad}".join(items) + f"\n{' ' * depth}{right}"


def _compact(value: object) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
