"""Just enough of R to read the calls of the reference files: expressions, formulas, model matrices."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+\.?\d*(?:[eE][-+]?\d+)?|\.\d+)|(?P<string>"[^"]*"|'[^']*')|(?P<name>[A-Za-z.][\w.]*(?:::[\w.]+)?)
    |(?P<op>%\w+%|<-|==|[-+*/^:|~(),={}\[\];<>$]))""",
    re.VERBOSE,
)
BINARY = {"~": 1, "|": 2, "+": 4, "-": 4, "*": 5, "/": 5, ":": 6, "^": 8}
UNARY = 7


@dataclass(frozen=True)
class Name:
    text: str


@dataclass(frozen=True)
class Call:
    """f(positional..., name = value...); operators are calls too, e.g. Call("+", [a, b])."""

    function: str
    args: list[Any]
    named: dict[str, Any] = field(default_factory=dict)


class _Parser:
    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = TOKEN.match(text, at)
            if match is None:
                raise ValueError(f"cannot read R at: {text[at : at + 30]!r}")
            self.tokens.append((str(match.lastgroup), match.group(match.lastgroup)))  # type: ignore[arg-type]
            at = match.end()
        self.tokens.append(("end", ""))
        self.at = 0

    @property
    def next(self) -> str:
        return self.tokens[self.at][1]

    def take(self) -> tuple[str, str]:
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, text: str) -> None:
        kind, got = self.take()
        if got != text:
            raise ValueError(f"expected {text!r}, got {kind} {got!r}")

    def expression(self, floor: int = 0) -> Any:
        left = self.prefix()
        while self.next in BINARY and BINARY[self.next] >= floor:
            operator = self.take()[1]
            left = Call(operator, [left, self.expression(BINARY[operator] + 1)])
        return left

    def prefix(self) -> Any:
        kind, text = self.take()
        if text == "~":
            return Call("~", [self.expression(BINARY["~"] + 1)])
        if text in ("-", "+"):
            inner = self.expression(UNARY)
            return inner if text == "+" else Call("negative", [inner])
        if text == "(":
            inner = self.expression()
            self.expect(")")
            return Call("(", [inner])
        if kind == "number":
            return float(text)
        if kind == "string":
            return text[1:-1]
        if kind != "name":
            raise ValueError(f"unexpected {text!r}")
        if self.next == "(":
            self.take()
            return self.arguments(text)
        return {"TRUE": True, "FALSE": False, "NULL": None, "NA": math.nan}.get(text, Name(text))

    def arguments(self, function: str) -> Call:
        args: list[Any] = []
        named: dict[str, Any] = {}
        while self.next != ")":
            if self.tokens[self.at][0] in ("name", "string") and self.tokens[self.at + 1][1] == "=":
                key = self.take()[1].strip("\"'")
                self.take()
                named[key] = self.expression()
            else:
                args.append(self.expression())
            if self.next == ",":
                self.take()
        self.expect(")")
        return Call(function, args, named)


def parse(text: str) -> Any:
    """An R expression as nested Name, Call, float, str, bool, None."""
    parser = _Parser(text)
    result = parser.expression()
    if parser.next not in ("", ";"):
        raise ValueError(f"trailing {parser.next!r}")
    return result


def values(expression: Any) -> Any:
    """Numbers of c(...), a single number, or a simple arithmetic expression of constants."""
    if isinstance(expression, Call) and expression.function == "c":
        return [values(item) for item in expression.args]
    if isinstance(expression, Call):
        parts = [values(item) for item in expression.args]
        operations = {
            "/": lambda a, b: a / b,
            "*": lambda a, b: a * b,
            "+": lambda a, b: a + b,
            "-": lambda a, b: a - b,
            ":": lambda a, b: [float(x) for x in range(int(a), int(b) + 1)],
            "negative": lambda a: -a,
            "(": lambda a: a,
        }
        return operations[expression.function](*parts)
    return expression


def is_factor(column: np.ndarray) -> bool:
    return column.dtype == object


def levels_of(column: np.ndarray) -> list[Any]:
    """Levels in R's order: numbers ascending, text alphabetically without regard to case."""
    distinct = list(dict.fromkeys(column.tolist()))
    if all(isinstance(x, (int, float)) for x in distinct):
        return sorted(distinct)
    return sorted(distinct, key=lambda x: (str(x).lower(), str(x)))


def vector(expression: Any, data: dict[str, np.ndarray]) -> np.ndarray:
    """A numeric or text column from an expression such as I(year - 1983), log(x), sqrt(vi)."""
    if isinstance(expression, Name):
        return data[expression.text]
    if isinstance(expression, (int, float)):
        return np.asarray(float(expression))
    functions = {"log": np.log, "sqrt": np.sqrt, "exp": np.exp, "I": lambda x: x, "(": lambda x: x}
    parts = [vector(item, data) for item in expression.args]
    if expression.function in functions:
        return np.asarray(functions[expression.function](*parts))
    if expression.function == "scale":
        return np.asarray(parts[0] - np.mean(parts[0]))
    if expression.function == "negative":
        return -parts[0]
    operations = {"+": np.add, "-": np.subtract, "*": np.multiply, "/": np.divide, "^": np.power}
    return np.asarray(operations[expression.function](*parts))


def _text(expression: Any) -> str:
    if isinstance(expression, Name):
        return expression.text
    if isinstance(expression, float):
        return f"{expression:g}"
    if expression.function in ("+", "-", "*", "/", "^", ":"):
        left, right = (_text(item) for item in expression.args)
        return (
            f"{left}{expression.function}{right}"
            if expression.function in ":^"
            else (f"{left} {expression.function} {right}")
        )
    return f"{expression.function}({', '.join(_text(item) for item in expression.args)})"


def _terms(expression: Any) -> list[tuple[Any, ...]]:
    """Additive terms of a formula as tuples of factors; () is the intercept, None removes it."""
    if isinstance(expression, Call) and expression.function == "+":
        return [term for item in expression.args for term in _terms(item)]
    if isinstance(expression, Call) and expression.function == "-":
        dropped = _terms(expression.args[1])
        if dropped == [()]:
            return [*_terms(expression.args[0]), (None,)]
        return [term for term in _terms(expression.args[0]) if term not in dropped]
    if isinstance(expression, Call) and expression.function == "*":
        left, right = (_terms(item) for item in expression.args)
        return [*left, *right, *[(*a, *b) for a in left for b in right]]
    if isinstance(expression, Call) and expression.function == ":":
        left, right = (_terms(item) for item in expression.args)
        return [(*a, *b) for a in left for b in right]
    if expression == 1.0:
        return [()]
    if expression == 0.0:
        return [(None,)]
    return [(expression,)]


def _columns(
    factor: Any, data: dict[str, np.ndarray], *, full: bool, hint: list[str]
) -> list[tuple[str, np.ndarray]]:
    """Columns of one factor: itself if numeric, else treatment contrasts or all indicators.

    hint : R's names of the coefficients, which tell the order of the levels where it is not the default one.
    """
    text = _text(factor)
    forced = isinstance(factor, Call) and factor.function == "factor"
    column = vector(factor.args[0] if forced else factor, data)
    if not forced and not is_factor(column):
        return [(text, column.astype(float))]
    named = {
        f"{text}{level:g}" if isinstance(level, float) else f"{text}{level}": level
        for level in levels_of(column)
    }
    ordered = [name for name in named if name not in hint] + [name for name in hint if name in named]
    return [(name, (column == named[name]).astype(float)) for name in ordered[0 if full else 1 :]]


def model_matrix(
    formula: Any, data: dict[str, np.ndarray], *, hint: list[str] | None = None
) -> tuple[np.ndarray, list[str]]:
    """R's model matrix of a one-sided formula and its names; `hint` are the names of R's coefficients.

    A factor gets all indicators where its margin (the term without it) is not in the model, else treatment contrasts.
    """
    k = len(next(iter(data.values())))
    terms = _terms(formula.args[-1])
    intercept = (None,) not in terms
    terms = [t for i, t in enumerate(terms) if t not in ((), (None,)) and t not in terms[:i]]
    terms.sort(key=len)
    present: list[frozenset[str]] = [frozenset()] if intercept else []
    names, columns = (["intrcpt"], [np.ones(k)]) if intercept else ([], [])
    for term in terms:
        parts: list[tuple[str, np.ndarray]] = [("", np.ones(k))]
        texts = [_text(factor) for factor in term]
        for position, factor in enumerate(term):
            margin = frozenset(texts[:position] + texts[position + 1 :])
            mine = _columns(factor, data, full=margin not in present, hint=hint or [])
            parts = [(f"{a}:{b}" if a else b, x * z) for b, z in mine for a, x in parts]
        present.append(frozenset(texts))
        if len(term) == 1 and len(parts) > 1 and np.all(np.sum([x for _, x in parts], axis=0) == 1):
            present.append(frozenset())  # all indicators of a factor span the intercept
        names.extend(name for name, _ in parts)
        columns.extend(x for _, x in parts)
    return (np.column_stack(columns) if columns else np.empty((k, 0))), names


def columns_of(dataset: dict[str, Any]) -> dict[str, np.ndarray]:
    """Columns of a data set: numbers as float64 (null = NaN), text and logical values as object."""
    result = {}
    for name, column in dataset.items():
        if not isinstance(column, list):
            continue
        numeric = all(x is None or (isinstance(x, (int, float)) and not isinstance(x, bool)) for x in column)
        result[name] = np.array(
            [math.nan if x is None else x for x in column], dtype=float if numeric else object
        )
    return result


def matrix_of(dataset: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """A matrix of a reference file with the names of its rows (empty if it has none)."""
    content = dataset["matrix"]
    if isinstance(content, dict):
        body = next(content[key] for key in ("values", "data", "matrix", "m") if key in content)
        return np.array(body, dtype=float), tuple(str(x) for x in content.get("rows", ()))
    return np.array(content, dtype=float), ()
