"""Data of published analyses, from the reference files, as effects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from consilience.records import Block, Design, Effects

FOLDER = Path(__file__).parent


@cache
def reference(topic: str) -> dict[str, Any]:
    return json.loads((FOLDER / "reference" / f"{topic}.json").read_text(encoding="utf-8"))


def dataset(topic: str, name: str) -> dict[str, np.ndarray]:
    """Columns of a reference data set: numbers as float, everything else as text."""
    return columns_of(reference(topic)["datasets"][name])


def columns_of(raw: dict[str, list]) -> dict[str, np.ndarray]:
    return {
        key: np.array(values, dtype=float)
        if all(isinstance(v, int | float) for v in values)
        else np.array([str(v) for v in values], dtype=object)
        for key, values in raw.items()
    }


def labels(values: Sequence | np.ndarray) -> np.ndarray:
    return np.array([f"{v:g}" if isinstance(v, float) else str(v) for v in list(values)], dtype=object)


def effects_of(
    columns: dict[str, np.ndarray],
    study: str,
    *,
    y: str = "yi",
    v: str = "vi",
    matrix: np.ndarray | None = None,
) -> Effects:
    """Effects with their columns; `matrix` (k, k) is V, split by study."""
    by = labels(columns[study])
    blocks = []
    if matrix is not None:
        for label in dict.fromkeys(by.tolist()):
            rows = np.flatnonzero(by == label)
            if len(rows) > 1:
                blocks.append(Block(rows, matrix[np.ix_(rows, rows)]))
    variances = np.diag(matrix).copy() if matrix is not None else columns[v]
    return Effects(columns[y], variances, by, blocks=tuple(blocks), columns=columns)


def matrix_of(topic: str, name: str) -> np.ndarray:
    return np.array(reference(topic)["datasets"][name]["matrix"], dtype=float)


def plain(y: np.ndarray, v: np.ndarray) -> Effects:
    """One effect per study."""
    return Effects(np.asarray(y), np.asarray(v), np.array([f"s{i}" for i in range(len(y))], dtype=object))


def log_odds_ratios(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray) -> Effects:
    return plain(np.log(a * d / (b * c)), 1 / a + 1 / b + 1 / c + 1 / d)


def with_x(x: np.ndarray) -> Design:
    return Design(np.column_stack([np.ones(len(x)), x]), ("intercept", "x"))


def one_each(levels: np.ndarray) -> Design:
    """A mean for each level, in sorted order."""
    names = sorted(set(labels(levels).tolist()))
    return Design(np.column_stack([labels(levels) == n for n in names]).astype(float), tuple(names))


def rounded(values: Any, digits: int) -> list[float]:
    return [round(float(x), digits) for x in np.ravel(values)]
