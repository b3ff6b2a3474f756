"""Checks of single cells and of the cells of one row: what no trial can have found."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..records import Columns
from .findings import Finding, at, finding, shown
from .rules import Rules, Tables
from .schema import TABLES, Field

_SPREAD = frozenset({"sd", "se", "change_sd", "change_se", "difference_se", "smd_se"})
_PEOPLE = frozenset({"n", "total", "n_treatment", "n_control", "n_randomised"})
_GEOMETRIC = frozenset({"geometric_mean", "geometric_ci_low", "geometric_ci_high"})

# (lower, upper, estimate) as printed together; the estimate may be absent from the pair's definition
LIMITS = {
    "arms": (
        ("ci_low", "ci_high", "mean"),
        ("change_ci_low", "change_ci_high", "change"),
        ("geometric_ci_low", "geometric_ci_high", "geometric_mean"),
        ("q1", "q3", "median"),
        ("minimum", "maximum", "median"),
        ("minimum", "maximum", "mean"),
    ),
    "contrasts": (
        ("difference_ci_low", "difference_ci_high", "difference"),
        ("odds_ratio_ci_low", "odds_ratio_ci_high", "odds_ratio"),
        ("smd_ci_low", "smd_ci_high", "smd"),
    ),
}

# Values of these columns are on the scale of the marker itself
_LEVELS = ("mean", "median", "q1", "q3", "minimum", "maximum")


def check_bounds(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Every number against the bounds of its column: SDs, numbers of people, correlations, the rest."""
    for name, schema in TABLES.items():
        columns = tables.table(name)
        for field in schema.fields:
            if field.kind != "number" or (field.minimum is None and field.maximum is None):
                continue
            for row in np.flatnonzero(_outside(columns[field.name], field)):
                code, sentence = _bound_sentence(field, shown(columns[field.name][row]))
                note = finding(code, f"{sentence}; the value is not used.", at(columns, row, field.name))
                yield Finding(note, name, cells=((int(row), field.name),))


def _outside(values: np.ndarray, field: Field) -> np.ndarray:
    bad = np.zeros(len(values), dtype=bool)
    if field.minimum is not None:
        bad |= values <= field.minimum if field.open_minimum else values < field.minimum
    if field.maximum is not None:
        bad |= values > field.maximum
    return bad


def _bound_sentence(field: Field, value: str) -> tuple[str, str]:
    name = field.name
    if name in _SPREAD:
        return "sd-negative", f"{name} is {value}, but it cannot be negative"
    if name in _PEOPLE:
        return "n-not-positive", f"{name} is {value}, but a number of people must be above 0"
    if name == "r":
        return "r-outside", f"r is {value}, but a correlation lies between -1 and 1"
    if name in _GEOMETRIC:
        return "concentration-negative", f"{name} is {value}, but it must be above 0"
    low, high = field.minimum, field.maximum
    if low is not None and high is not None:
        return "value-outside", f"{name} is {value}, but it must lie between {low:g} and {high:g}"
    if low is not None:
        return (
            "value-outside",
            f"{name} is {value}, but it must be {'above' if field.open_minimum else 'at least'} {low:g}",
        )
    return "value-outside", f"{name} is {value}, but it must be at most {high:g}"


def check_limits_reversed(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Lower limit above the upper limit: both are unusable."""
    for name, pairs in LIMITS.items():
        columns = tables.table(name)
        for low, high in dict.fromkeys((low, high) for low, high, _ in pairs):
            for row in np.flatnonzero(columns[low] > columns[high]):
                message = (
                    f"{low} {shown(columns[low][row])} is above {high} {shown(columns[high][row])}; "
                    "neither is used."
                )
                yield Finding(
                    finding("limits-reversed", message, at(columns, row, low)),
                    name,
                    cells=((int(row), low), (int(row), high)),
                )


def check_estimate_in_limits(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """An estimate outside the limits printed with it: the limits are not used."""
    for name, triples in LIMITS.items():
        columns = tables.table(name)
        for low, high, estimate in triples:
            value, bottom, top = columns[estimate], columns[low], columns[high]
            # reversed limits are a finding of their own
            outside = ((value < bottom) | (value > top)) & ~(bottom > top)
            for row in np.flatnonzero(outside):
                message = (
                    f"{estimate} {shown(value[row])} lies outside {low} {shown(bottom[row]) or '(none)'} to "
                    f"{high} {shown(top[row]) or '(none)'}; the limits are not used."
                )
                yield Finding(
                    finding("estimate-outside-limits", message, at(columns, row, estimate)),
                    name,
                    cells=((int(row), low), (int(row), high)),
                )


def check_events(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """More people with the event than people."""
    arms = tables.arms
    total = np.where(np.isnan(arms["total"]), arms["n"], arms["total"])
    for row in np.flatnonzero(arms["events"] > total):
        message = (
            f"events is {shown(arms['events'][row])} of only {shown(total[row])} people; events is not used."
        )
        yield Finding(
            finding("events-exceed-total", message, at(arms, row, "events")),
            "arms",
            cells=((int(row), "events"),),
        )


def check_concentrations(tables: Tables, rules: Rules) -> Iterator[Finding]:
    """Levels that must be positive: raw values of an outcome to be analysed as logarithms, or of a concentration."""
    arms = tables.arms
    raw = np.isin(arms.text("scale"), ("", "raw"))
    log = np.array([_is_log(rules, outcome) for outcome in arms.text("outcome")], dtype=bool)
    units = {unit: is_concentration(unit) for unit in dict.fromkeys(arms.text("unit"))}
    concentration = np.array([units[unit] for unit in arms.text("unit")], dtype=bool)
    for name in _LEVELS:
        values = arms[name]
        for row in np.flatnonzero(
            raw & (((values <= 0) & log & (name != "minimum")) | ((values < 0) & concentration))
        ):
            message = _concentration_message(
                arms, int(row), name, values[row] < 0 and bool(concentration[row])
            )
            note = finding("concentration-negative", message, at(arms, row, name))
            yield Finding(note, "arms", cells=((int(row), name),))


def _is_log(rules: Rules, outcome: str) -> bool:
    rule = rules.outcomes.get(outcome)
    return rule is not None and rule.scale == "log"


def _concentration_message(arms: Columns, row: int, name: str, by_unit: bool) -> str:
    start = f"{name} is {shown(arms[name][row])}"
    if by_unit:
        return f"{start} {arms.text('unit')[row]}, but a concentration cannot be negative; the value is not used."
    outcome = arms.text("outcome")[row]
    return f'{start}, but the protocol analyses "{outcome}" as logarithms, which needs values above 0; the value is not used.'


_AMOUNT = (
    "g",
    "mg",
    "ug",
    "µg",
    "μg",
    "mcg",
    "ng",
    "pg",
    "fg",
    "mol",
    "mmol",
    "umol",
    "µmol",
    "μmol",
    "nmol",
    "pmol",
    "iu",
    "miu",
    "u",
    "mu",
    "ku",
    "cells",
    "copies",
)
_VOLUME = ("l", "dl", "cl", "ml", "ul", "µl", "μl", "mcl", "mm3", "mm³")


def is_concentration(unit: str) -> bool:
    """Whether a unit is an amount or a count per volume, such as pg/mL or 10^9/L; a logarithm of one is not."""
    amount, slash, volume = unit.lower().replace(" ", "").partition("/")
    bare = amount.split("^")[-1].strip("0123456789.x×*")
    return bool(slash) and bare in ("", *_AMOUNT) and volume in _VOLUME
