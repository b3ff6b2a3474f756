"""docs/results.md: what every part of results.json means. A test compares it with what is written."""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass

from ..records import (
    Bound,
    Course,
    Dropped,
    Estimate,
    Note,
    Paragraph,
    Plan,
    Provenance,
    Reading,
    StudyAverage,
    TestResult,
    Tipping,
)
from .results import PLAN_NUMBERS, SCHEMA


@dataclass(frozen=True)
class Section:
    """A top-level part of results.json: its shape in words, what it holds, the record of which it consists."""

    name: str
    shape: str
    meaning: str
    record: type | None = None


SECTIONS = (
    Section(
        "schema", "text", f'Version of this format, "{SCHEMA}". A change that breaks readers changes it.'
    ),
    Section("plan", "object", "The protocol as it was understood.", Plan),
    Section(
        "answer", "list of paragraphs", "The plain-language answer; see below for its numbers.", Paragraph
    ),
    Section("results", "object: key -> result", "Every number that a sentence may cite; see below."),
    Section(
        "questions",
        "list",
        "Each question with `key`, `kind`, `title`, `answer`, `notes`, the keys of its `estimates` and of its "
        "`test` (null if there is none).",
    ),
    Section(
        "scenarios",
        "list",
        "Each sensitivity analysis with `key`, `group`, `label`, `verdict` and the key of its `estimate`.",
    ),
    Section("tipping", "list", "What would have to be true to change the conclusion.", Tipping),
    Section("readings", "list", "The average effect in other words.", Reading),
    Section("course", "object", "The fitted course of the effect over time.", Course),
    Section(
        "diagnostics",
        "object: name -> record",
        "What the questions of kind `credibility` rest on: `influence`, `cumulative`, `pet-peese`, `trim-and-fill`, "
        "`selection`, `worst-case`, `calibration`, `multiverse`, as far as the protocol asks for them. Fields as in the "
        "Python records of those names; the effects, fits and designs that they were computed from are left out.",
    ),
    Section("studies", "list", "One average per trial, as in the forest plot.", StudyAverage),
    Section(
        "effects",
        "table",
        "Every computed effect. `measure` names the effect measure; `columns` and `rows` hold the table: `study`, "
        "`y` (effect, positive = benefit), `v` (sampling variance), then everything known of each row.",
    ),
    Section("ratios", "table", "The log ratios of ratios behind the percent changes, in the same form."),
    Section("dropped", "list", "Reported rows without an effect, and why.", Dropped),
    Section("trials", "table", "The trials as reported, declared decisions applied: `columns` and `rows`."),
    Section("risk_of_bias", "table", "The judgements, in the same form; empty if the review has none."),
    Section("methods", "list of text", "The methods paragraphs."),
    Section("references", "list of text", "The references."),
    Section("assumptions", "list of text", "Every assumption."),
    Section("notes", "list", "Findings of the checks, and decisions that were applied.", Note),
    Section("provenance", "object", "Where the numbers come from.", Provenance),
)

COMMON = {
    "key": "stable name",
    "label": "as shown to people",
    "estimate": "the estimate, on `scale`",
    "se": "standard error",
    "ci_low": "lower confidence limit",
    "ci_high": "upper confidence limit",
    "df": "degrees of freedom",
    "p_value": "two-sided p",
    "pi_low": "lower limit of the prediction interval",
    "pi_high": "upper limit of the prediction interval",
    "n_trials": "trials",
    "n_effects": "effects",
    "n_people": "people, nobody counted twice",
    "n_unsized": "trials of unknown size: their people are not in `n_people`",
    "unit": "unit of a slope or of a change",
    "method": "model, covariance and degrees of freedom",
    "available": "false: there is no number, see `reason`",
    "reason": "why there is none, or why it was done",
    "statistic": "value of the test statistic",
    "df1": "numerator degrees of freedom",
    "df2": "denominator degrees of freedom",
    "study": "trial",
    "outcome": "what was measured",
    "file": "file of the review",
    "rows": "lines of that file (header = 1)",
    "seed": "seed of every random number",
    "protocol": "the protocol as read",
    "script": "the lines of Python that reproduce the answer",
    "text": "as printed",
    "value": "unrounded",
    "sentence": "the finding in words",
    "risk_of_bias": "low, some, high, or empty",
    "group": "class of the intervention",
}

RESULTS = (
    (
        "an estimate's key, e.g. `overall`",
        Estimate,
        "a pooled answer, of the primary analysis, a question or a scenario",
    ),
    ("`<question>/test`", TestResult, "the test of a question"),
    ("`tipping/<key>`", Tipping, "a tipping point"),
)

INTRODUCTION = f"""# results.json

Everything that the report shows, as data: UTF-8 JSON, keys sorted, numbers to the last digit. A missing number is
`null`; an infinite one is the text `"Infinity"` or `"-Infinity"`. The file depends on the inputs and the versions only:
no clock, no path of a machine. Running twice gives the same bytes. The version is `{SCHEMA}`.

This page is generated from the code (`consilience.report.describe`).

"""

NUMBERS = """## The numbers of the answer

A phrase of the answer is a text, or a number with its `text` as printed, its `value`, its `anchor` (the table of the
report that shows it) and its `key`. The key is `<result>.<field>`: look the result up in `results`, then the field in it,
for example `overall.estimate` or `overall.tau2.study`. A result's own key may hold dots (`sensitivity/rho/0.2`): the
longest that exists is meant. `consilience.report.results.lookup` does this.

"""


def describe_results() -> str:
    """The page as Markdown."""
    rows = "".join(f"| `{s.name}` | {s.shape} | {s.meaning} |\n" for s in SECTIONS)
    parts = [INTRODUCTION, "## Parts\n\n| part | is | holds |\n|---|---|---|\n", rows, "\n", NUMBERS]
    parts.append("## What `results` holds\n\n| key | is | fields |\n|---|---|---|\n")
    parts += [f"| {key} | {meaning} | {_field_names(record)} |\n" for key, record, meaning in RESULTS]
    parts.append(f"| `plan` | numbers of the protocol | {', '.join(f'`{n}`' for n in PLAN_NUMBERS)} |\n")
    parts.append("| `counts` | how many rows there are of each kind | |\n\n")
    parts.append(
        "An estimate has two fields more: `tau2_total`, the sum of `tau2`, and `tau_total`, its square root.\n\n## Records\n"
    )
    records = dict.fromkeys([Estimate, TestResult, *(s.record for s in SECTIONS if s.record), Bound])
    parts += [_record(record) for record in records]
    return "".join(parts)


def _field_names(record: type) -> str:
    return ", ".join(f"`{f.name}`" for f in dataclasses.fields(record))


def _record(record: type) -> str:
    """One record: what it is, and its fields with types from the annotations and meanings from the docstring."""
    names = [f.name for f in dataclasses.fields(record)]
    text, meanings = _split(inspect.getdoc(record) or "", names)
    rows = "".join(
        f"| `{f.name}` | {_type(str(f.type))} | {meanings.get(f.name, COMMON.get(f.name, ''))} |\n"
        for f in dataclasses.fields(record)
    )
    return f"\n### {record.__name__}\n\n{text}\n\n| field | type | meaning |\n|---|---|---|\n{rows}"


def _split(docstring: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """A docstring as its running text and what its ``name, name : meaning`` lines say of each field."""
    text: list[str] = []
    meanings: dict[str, str] = {}
    current: list[str] = []
    for line in docstring.replace(";\n", ";").replace("; points :", "\npoints :").splitlines():
        head, colon, rest = line.partition(" : ")
        listed = [name.strip() for name in head.split(",")]
        if colon and all(name in names for name in listed):
            current = listed
            meanings |= {name: rest.strip().rstrip(";") for name in listed}
        elif line.startswith(" ") and current:
            meanings |= {name: f"{meanings[name]} {line.strip()}" for name in current}
        elif line.strip() not in {"Parameters", "----------"}:
            current = []
            text.append(line)
    return " ".join(" ".join(text).split()), {name: m.replace("|", "or") for name, m in meanings.items()}


def _type(annotation: str) -> str:
    """A Python annotation as what JSON has."""
    words = {"str": "text", "float": "number or null", "int": "whole number", "bool": "true or false"}
    words |= {"Severity": "one of `error`, `warning`, `info`", "int | None": "whole number or null"}
    words |= {"float | None": "number or null", "EstimateScale": "one of `g`, `percent`, `slope`"}
    if annotation in words:
        return words[annotation]
    if annotation.startswith("Literal["):
        choices = annotation[8:-1].replace('"', "").replace("'", "").split(",")
        return "one of " + ", ".join(f"`{choice.strip()}`" for choice in choices)
    if annotation.startswith("tuple["):
        return "list"
    return "object" if annotation.startswith("Mapping[") else f"`{annotation}`".replace("|", "or")
