"""review.toml to a plan; all of its errors at once, each with its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from ..data.findings import Place, finding
from ..data.rules import Rules
from ..records import (
    Correlation,
    Decision,
    Dependence,
    Imputation,
    Instrument,
    Moderator,
    Note,
    OutcomeRule,
    Plan,
)
from .protocol_errors import describe_error
from .protocol_models import CorrelationRange, DeclaredDecision, Files, Outcome, ProtocolModel
from .protocol_models import Dependence as DependenceSection
from .protocol_multiverse import resolved
from .protocol_rules import cross_problems, problems_beside
from .toml_lines import key_lines, line_of

FILE = "review.toml"
_NAN = float("nan")  # one object, so that equal protocols give equal plans
_UNKNOWN = Correlation(_NAN, _NAN, _NAN)
# Where review.toml is no TOML, the tables are looked for under their usual names
_USUAL = Files(arms="arms.csv", contrasts="contrasts.csv", risk_of_bias="risk_of_bias.csv")
_FAMILY: Mapping[str, str] = {"lower": "harmful", "higher": "beneficial", "none": "none"}
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, eq=False)
class Protocol:
    """A protocol as read.

    plan : None if the protocol has an error. The rest holds what could be understood all the same, so that
        the tables can be checked against it: `files`, `rules`, `decisions` with the line of each.
    text : the file as it stands; lines : path of every key -> line.
    """

    plan: Plan | None
    notes: tuple[Note, ...]
    text: str
    files: Files
    rules: Rules
    decisions: tuple[Decision, ...]
    decision_lines: tuple[int | None, ...]
    lines: Mapping[tuple[str | int, ...], int]

    def place(self, *path: str | int) -> Place:
        """Where a key (or what is around it) stands."""
        return Place(FILE, line_of(dict(self.lines), path))

    def decision_place(self, i: int) -> Place:
        return Place(FILE, self.decision_lines[i])


def read_protocol(path: Path | str) -> Protocol:
    """Read a review.toml; nothing is raised for what is wrong in it.

    Raises
    ------
    OSError : the file cannot be read.
    """
    return parse_protocol(Path(path).read_bytes())


def parse_protocol(content: bytes) -> Protocol:
    """The protocol in the bytes of a TOML file."""
    text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return _unreadable(text, error)
    lines = key_lines(text)
    model: ProtocolModel | None = None
    notes: list[Note] = []
    try:
        model = ProtocolModel.model_validate(raw)
        between = cross_problems(model)
    except ValidationError as invalid:
        for detail in invalid.errors():
            code, sentence, advice = describe_error(detail, raw)
            notes.append(finding(code, sentence, Place(FILE, line_of(lines, detail["loc"])), advice=advice))
        beside = problems_beside(raw, [detail["loc"] for detail in invalid.errors()])
        between = (
            p for p in beside if line_of(lines, p[0]) is not None
        )  # else of a section that is not there
    notes += [
        finding(code, sentence, Place(FILE, line_of(lines, where))) for where, code, sentence in between
    ]
    notes.sort(key=lambda note: note.row or 0)
    decisions, decision_lines = _decisions(raw, lines)
    rules = _rules(raw)
    plan = _plan(model, rules, decisions) if model is not None and not notes else None
    files = _valid(Files, raw.get("files", {})) or Files()
    return Protocol(plan, tuple(notes), text, files, rules, decisions, decision_lines, lines)


def _unreadable(text: str, error: tomllib.TOMLDecodeError) -> Protocol:
    found = re.search(r"^(.*?) \(at line (\d+), column (\d+)\)$", str(error))
    row = int(found.group(2)) if found else text.count("\n") + 1
    sentence = found.group(1) if found else re.sub(r" \(at end of document\)$", "", str(error))
    if "\ufffd" in text and not found:
        sentence = "The file is not UTF-8"
    where = f", at column {found.group(3)}" if found else ""
    note = finding("protocol-syntax", f"The file is not valid TOML: {sentence}{where}.", Place(FILE, row))
    return Protocol(None, (note,), text, _USUAL, Rules(), (), (), {})


def _valid(model: type[M], value: object) -> M | None:
    try:
        return model.model_validate(value)
    except ValidationError:
        return None


def _items(raw: Mapping[str, Any], key: str) -> list[Any]:
    value = raw.get(key)
    return value if isinstance(value, list) else []


def _section(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    return value if isinstance(value, dict) else {}


def _rules(raw: Mapping[str, Any]) -> Rules:
    """What the tables can be checked against, also where other parts of the protocol are wrong."""
    default = _valid(CorrelationRange, _section(raw, "effect").get("default_r"))
    names = [
        item["name"]
        for item in _items(raw, "outcomes")
        if isinstance(item, dict) and isinstance(item.get("name"), str)
    ]
    rules = [
        _rule(o, default) for item in _items(raw, "outcomes") if (o := _valid(Outcome, item)) is not None
    ]
    classes = _items(_section(raw, "classes"), "interventions")
    return Rules(
        {rule.name: rule for rule in rules}, tuple(names), tuple(c for c in classes if isinstance(c, str))
    )


def _rule(outcome: Outcome, default: CorrelationRange | None) -> OutcomeRule:
    r = outcome.r or default
    family: Any = outcome.family or _FAMILY[outcome.better]
    return OutcomeRule(
        name=outcome.name,
        outcome_class=outcome.class_,
        better=outcome.better,
        family=family,
        scale=outcome.scale,
        r=Correlation(r.value, r.low, r.high, r.source) if r else _UNKNOWN,
        log_sd=_NAN if outcome.log_sd is None else outcome.log_sd,
        note=outcome.note,
        integer_items=outcome.integer_items,
    )


def _decisions(
    raw: Mapping[str, Any], lines: dict[tuple[str | int, ...], int]
) -> tuple[tuple[Decision, ...], tuple[int | None, ...]]:
    found = []
    where = []
    for i, item in enumerate(_items(raw, "decisions")):
        declared = _valid(DeclaredDecision, item)
        if declared is None:
            continue
        found.append(
            Decision(
                declared.table,
                declared.action,
                dict(declared.where),
                declared.reason,
                values=dict(declared.values),
                code=declared.code,
            )
        )
        where.append(line_of(lines, ("decisions", i)))
    return tuple(found), tuple(where)


def _dependence(section: DependenceSection) -> Dependence:
    return Dependence(
        between=section.between_outcomes,
        pairs=tuple((pair.outcomes[0], pair.outcomes[1], pair.r) for pair in section.pairs),
        cross_time=section.cross_time,
        autocorrelation=section.autocorrelation,
    )


def _plan(model: ProtocolModel, rules: Rules, decisions: tuple[Decision, ...]) -> Plan:
    return Plan(
        title=model.review.title,
        sample=model.review.sample,
        sample_note=model.review.sample_note,
        seed=model.review.seed,
        question=model.question.model_dump(exclude={"surrogate"}),
        surrogate=model.question.surrogate,
        intervention_classes=tuple(model.classes.interventions),
        outcome_classes=tuple(model.classes.outcomes),
        outcomes=rules.outcomes,
        decisions=decisions,
        variance=model.effect.variance,
        rho=model.dependence.rho,
        rho_range=tuple(model.dependence.range),
        level=model.model.level,
        only_randomised=model.model.randomised_only,
        times=model.model.times,
        subgroups=tuple(model.questions.subgroups),
        response_rate=model.readings.response_rate,
        instruments=tuple(Instrument(i.name, i.sd, i.unit) for i in model.readings.instruments),
        moderators=tuple(
            Moderator(m.column, m.label or m.column.replace("_", " "), m.kind, m.unit, m.per)
            for m in model.moderators
        ),
        persistence_weeks=model.questions.persistence_weeks,
        trials_per_moderator=model.questions.trials_per_moderator,
        small_study_minimum=model.questions.small_study_minimum,
        sensitivity=tuple(model.sensitivity.run),
        credibility=tuple(model.credibility.run),
        replicates=model.credibility.replicates,
        relevance=model.model.relevance,
        prisma=model.prisma.model_dump() if model.prisma is not None else {},
        dependence=_dependence(model.dependence),
        imputation=Imputation(model.imputation.sd, model.imputation.r, model.imputation.n),
        multiverse=resolved(model.multiverse),
    )
