"""Reads an R call as text: `rma(yi, vi, mods = ~x, data = d)` to a name, its arguments and its named arguments."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Call:
    """`name` with positional `args` and named `kwargs`; each value is a Call, a number, a bool or text."""

    name: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


def parse(text: str) -> Any:
    """A call, a number, TRUE/FALSE, quoted text without its quotes, or any other text as it is."""
    text = text.strip()
    if text in ("TRUE", "FALSE"):
        return text == "TRUE"
    if re.fullmatch(r'"[^"]*"', text):
        return text[1:-1]
    try:
        return float(text.removesuffix("L"))
    except ValueError:
        pass
    head = re.match(r"([A-Za-z_.][\w.:]*)\((.*)\)$", text, re.DOTALL)
    if not head or not _balanced(head[2]):
        return text
    args, kwargs = [], {}
    for part in split(head[2], ","):
        named = re.match(r"\s*([A-Za-z_.][\w.]*)\s*=(?!=)(.*)$", part, re.DOTALL)
        if named:
            kwargs[named[1]] = parse(named[2])
        elif part.strip():
            args.append(parse(part))
    return Call(head[1], tuple(args), kwargs)


def split(text: str, separator: str) -> list[str]:
    """Parts between separators that stand outside parentheses and quotes."""
    parts, depth, quoted, start = [], 0, False, 0
    for i, character in enumerate(text):
        quoted ^= character == '"'
        if quoted:
            continue
        depth += (character in "([{") - (character in ")]}")
        if character == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _balanced(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def numbers(value: Any) -> np.ndarray:
    """`c(1, 2)`, `1:3` or one number as an array."""
    if isinstance(value, Call) and value.name == "c":
        return np.concatenate([numbers(part) for part in value.args])
    if isinstance(value, str) and re.fullmatch(r"-?\d+:-?\d+", value):
        low, high = (int(x) for x in value.split(":"))
        return np.arange(low, high + 1, dtype=float)
    return np.array([float(value)])


def column(values: list[Any]) -> np.ndarray:
    """A data column: float with NaN for null, or text with None."""
    if any(isinstance(x, str) and x not in ("Inf", "-Inf") for x in values):
        return np.array(values, dtype=object)
    return np.array([np.nan if x is None else float(str(x).replace("Inf", "inf")) for x in values])


def design(formula: str, data: dict[str, np.ndarray], n: int) -> tuple[np.ndarray, list[str]]:
    """Model matrix of `~ x + g`, `~ 0 + x`, `~ x + I(x^2)` with treatment coding; NaN rows where a value is missing."""
    terms = [part.strip() for part in split(str(formula).strip().removeprefix("~"), "+")]
    columns, names = [], []
    if "0" not in terms and "-1" not in terms:
        columns.append(np.ones(n))
        names.append("intrcpt")
    for term in terms:
        if term in ("0", "1", "-1"):
            continue
        power = re.fullmatch(r"I\((\w+)\^(\d+)\)", term)
        values = (
            data[power[1]] ** int(power[2]) if power else data[term.removeprefix("factor(").removesuffix(")")]
        )
        if values.dtype != object and not term.startswith("factor("):
            columns.append(values)
            names.append(term)
            continue
        missing = np.array([x is None for x in values])
        for level in sorted({x for x in values.tolist() if x is not None})[1 if names else 0 :]:
            columns.append(np.where(missing, np.nan, (values == level).astype(float)))
            names.append(f"{term}{level}")
    return np.column_stack(columns), names
