"""Data for the tests of selection models."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from consilience.records import Effects

REFERENCE = Path(__file__).parent / "reference" / "pubbias.json"


def effects_of(y: np.ndarray, v: np.ndarray, study: np.ndarray | None = None) -> Effects:
    labels = np.array([f"s{i}" for i in range(len(y))], dtype=object) if study is None else study
    return Effects(np.asarray(y, dtype=float), np.asarray(v, dtype=float), labels)


def reference() -> dict:
    return json.loads(REFERENCE.read_text(encoding="utf-8"))


def reference_effects(name: str) -> Effects:
    data = reference()["datasets"][name]
    return effects_of(np.array(data["yi"], dtype=float), np.array(data["vi"], dtype=float))


def published(
    rng: np.random.Generator, k: int, *, mean: float = 0.0, tau: float = 0.0, chance: float = 1.0
) -> Effects:
    """k published studies; a result that is not significantly positive is published with this chance."""
    y: list[float] = []
    v: list[float] = []
    while len(y) < k:
        variance = float(rng.uniform(0.01, 0.1))
        effect = float(rng.normal(mean, np.sqrt(variance + tau**2)))
        if effect > 1.959964 * np.sqrt(variance) or rng.random() < chance:
            y.append(effect)
            v.append(variance)
    return effects_of(np.array(y), np.array(v))
