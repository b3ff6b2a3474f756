"""Checks between the tables and against the protocol: every name must lead somewhere."""

from __future__ import annotations

from collections.abc import Iterator

from ..base.options import suggestion
from ..records import Columns
from .checks_rows import rows_text
from .findings import Finding, at, finding
from .rules import Rules, Tables, group_rows

_SEVERITY = {"low": 0, "some": 1, "high": 2}


def check_trial_names(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Rows of trials that the trials table does not have. Without a trials table there is nothing to compare."""
    known = [name for name in tables.trials["study"] if name]
    if not known:
        return
    for name in ("arms", "contrasts", "risk_of_bias"):
        columns = tables.table(name)
        for (study,), rows in group_rows(columns, ("study",)).items():
            if study and study not in known:
                message = (
                    f'{rows_text(columns, rows)}: the trial "{study}" is not in {tables.trials.file}; '
                    f"{_not_used(rows)}. {suggestion(str(study), known)}"
                )
                note = finding("unknown-trial", message.strip(), at(columns, rows[0], "study"))
                yield Finding(note, name, drop=tuple(rows))


def check_outcome_names(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Outcomes that the protocol does not declare."""
    if not rules.outcome_names:
        return
    for name in ("arms", "contrasts"):
        columns = tables.table(name)
        for (outcome,), rows in group_rows(columns, ("outcome",)).items():
            if outcome and outcome not in rules.outcome_names:
                message = (
                    f'{rows_text(columns, rows)}: the outcome "{outcome}" is not declared in review.toml; '
                    f"{_not_used(rows)}. {suggestion(str(outcome), rules.outcome_names)}"
                )
                note = finding("unknown-outcome", message.strip(), at(columns, rows[0], "outcome"))
                yield Finding(note, name, drop=tuple(rows))


def check_classes(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Intervention classes that the protocol does not declare."""
    trials = tables.trials
    for row, name in enumerate(trials["intervention_class"]):
        if name and rules.intervention_classes and name not in rules.intervention_classes:
            message = (
                f'intervention_class is "{name}", which [classes] interventions in review.toml does not list. '
                f"{suggestion(str(name), rules.intervention_classes)}"
            )
            yield Finding(
                finding("unknown-class", message.strip(), at(trials, row, "intervention_class")), "trials"
            )


def check_arm_names(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Arms of a contrast whose name is close to, but not the same as, one of the trial's arms."""
    arms, contrasts = tables.arms, tables.contrasts
    known: dict[str, list[str]] = {}
    for study, arm in zip(arms["study"], arms["arm"], strict=True):
        known.setdefault(study, []).append(arm)
    for column in ("arm", "control_arm"):
        for row, (study, arm) in enumerate(zip(contrasts["study"], contrasts[column], strict=True)):
            names = known.get(study, [])
            near = suggestion(arm, names) if arm and arm not in names else ""
            if near:
                message = f'{column} is "{arm}"; {arms.file} has no such arm of "{study}". {near}'
                yield Finding(finding("unknown-arm", message, at(contrasts, row, column)), "contrasts")


def check_names_alike(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Trials, and arms of a trial, whose names a person would take for one."""
    for columns, name, by in ((tables.trials, "trials", ("study",)), (tables.arms, "arms", ("study", "arm"))):
        first: dict[tuple[str, ...], int] = {}
        for key, rows in group_rows(columns, by).items():
            what = str(key[-1])
            alike = (*map(str, key[:-1]), "".join(what.casefold().split()))
            row = first.setdefault(alike, rows[0])
            if what and row != rows[0]:
                one = columns[by[-1]][row]
                message = (
                    f'{by[-1]} is "{what}" here, but "{one}" in row {columns.lines[row]}: '
                    f"they count as two {'trials' if name == 'trials' else 'arms'}."
                )
                yield Finding(finding("names-alike", message, at(columns, rows[0], by[-1])), name)


def check_contrast_times(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """A comparison of arms before treatment is no result."""
    contrasts = tables.contrasts
    for row, time in enumerate(contrasts["time"]):
        if time == "pre":
            message = "time is pre, but a contrast before treatment is no result; the row is not used."
            yield Finding(
                finding("contrast-at-baseline", message, at(contrasts, row, "time")), "contrasts", drop=(row,)
            )


def check_results_exist(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Trials that no table of results mentions."""
    trials = tables.trials
    reported = {*tables.arms["study"], *tables.contrasts["study"]}
    for row, study in enumerate(trials["study"]):
        if study and study not in reported and rules.all_read:
            files = _files(tables)
            message = f'The trial "{study}" has no row in {files}.'
            yield Finding(finding("trial-without-results", message, at(trials, row, "study")), "trials")


def check_risk_of_bias(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """The judgement in the trials table against the worst one in the risk-of-bias table."""
    worst = _worst_judgements(tables.risk_of_bias)
    trials = tables.trials
    for row, (study, judged) in enumerate(zip(trials["study"], trials["risk_of_bias"], strict=True)):
        if judged and study in worst and worst[study] != judged:
            message = (
                f"risk_of_bias is {judged}, but the worst overall judgement in {tables.risk_of_bias.file} is "
                f"{worst[study]}; {judged} is used."
            )
            yield Finding(
                finding("risk-of-bias-conflict", message, at(trials, row, "risk_of_bias")), "trials"
            )


def _worst_judgements(table: Columns) -> dict[str, str]:
    worst: dict[str, str] = {}
    for study, overall in zip(table["study"], table["overall"], strict=True):
        if overall and _SEVERITY[overall] >= _SEVERITY.get(worst.get(study, ""), -1):
            worst[study] = overall
    return worst


def _files(tables: Tables) -> str:
    return " or ".join(t.file for t in (tables.arms, tables.contrasts) if len(t)) or "any table of results"


def _not_used(rows: list[int]) -> str:
    return "the row is not used" if len(rows) == 1 else "the rows are not used"
