"""Random small data sets with everything that breaks a fit, and random models for them: `case(seed)`."""

from __future__ import annotations

import numpy as np

from consilience.records import Block, Design, Effects, Inner, Intercept, Known, Slopes, Spec, Term

KINDS = ("CS", "HCS", "UN", "ID", "DIAG", "AR", "HAR", "CAR", "SPEXP", "SPGAU", "SPLIN", "SPRAT", "SPSPH")


def case(seed: int) -> tuple[Effects, Spec, Design | None]:
    """At most 12 effects in any number of studies, one or two random terms, with or without a design."""
    rng = np.random.default_rng(seed)
    effects = _effects(rng)
    terms = tuple(_term(rng, effects) for _ in range(rng.integers(1, 3)))
    method = ("REML", "REML", "ML")[rng.integers(3)]
    test = ("z", "t", "CR2", "CR0", "t-containment")[rng.integers(5)]
    return effects, Spec(terms, method, test), _design(rng, effects)


def _effects(rng: np.random.Generator) -> Effects:
    k = int(rng.integers(1, 13))
    n = int(rng.integers(1, max(2, k))) if rng.random() > 0.1 else 1
    study = np.array([f"s{i}" for i in rng.integers(0, n, k)], object)
    columns = {
        "o": np.array([f"o{i}" for i in rng.integers(0, rng.integers(1, 4), k)], object),
        "t": rng.integers(0, 4, k).astype(float),
        "x": rng.normal(0, 1, k) if rng.random() < 0.8 else np.full(k, 2.0),
        "id": np.arange(k).astype(str).astype(object),
    }
    y, v = rng.normal(0, rng.choice([0, 0.1, 1, 10]), k), rng.uniform(0.02, 0.3, k)
    y, v = _spoilt(rng, y, v)
    if rng.random() < 0.1:
        half = max(1, k // 2)
        for values in (y, v, study, *(columns[name] for name in "otx")):  # every row of the first half again
            values[half : 2 * half] = values[:half]
    return Effects(y, v, study, columns=columns, blocks=_blocks(rng, v, study))


def _spoilt(rng: np.random.Generator, y: np.ndarray, v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k, one = len(y), int(rng.integers(len(y)))
    kind = rng.integers(14)
    if kind == 0:
        v = 10.0 ** rng.uniform(-12, 12, k)
    elif kind == 1:
        v[rng.random(k) < 0.4] = 0.0
    elif kind == 2:
        v = 10.0 ** rng.uniform(-300, -290, k)
    elif kind == 3:
        y, v = y * 1e140, v * 1e280
    elif kind == 4:
        y[:] = 0.3
    elif kind == 5:
        v[0] = 1e-30
    elif kind == 6:
        y[one] = rng.choice([np.nan, np.inf, -np.inf])
    elif kind == 7:
        v[one] = rng.choice([np.nan, np.inf, 0.0, -1.0])
    elif kind == 8:
        v[:] = 0.0
    return y, v


def _blocks(rng: np.random.Generator, v: np.ndarray, study: np.ndarray) -> tuple[Block, ...]:
    """Correlations of the sampling errors: none, ordinary, exactly or nearly plus or minus one, impossible."""
    if rng.random() < 0.5 or not np.isfinite(v).all() or (v < 0).any():
        return ()
    blocks = []
    for name in sorted(set(study.tolist())):
        rows = np.flatnonzero(study == name)
        if len(rows) < 2:
            continue
        rho = rng.choice([0.0, 0.6, 0.6, 0.6, 1.0, -1.0, 1 - 1e-9, -1 / (len(rows) - 1), 1.2])
        size = np.sqrt(v[rows])
        blocks.append(Block(rows, np.where(np.eye(len(rows)) > 0, 1.0, rho) * np.outer(size, size)))
    return tuple(blocks)


def _term(rng: np.random.Generator, effects: Effects) -> Term:
    levels = tuple(sorted(set(effects["o"].tolist())))
    kind = rng.integers(7)
    if kind == 0:
        return Intercept((("study",), ("study", "row"), ("row",), ("o",))[rng.integers(4)])
    if kind == 1:
        root = rng.normal(0, 1, (len(levels), 2))
        some = (np.eye(len(levels)), np.ones((len(levels),) * 2), root @ root.T, root @ root.T * 0)
        return Known("o", some[rng.integers(4)], levels)
    if kind == 2:
        return Slopes(("x",), "study", bool(rng.integers(2)))
    structure = KINDS[rng.integers(len(KINDS))]
    if structure.startswith("SP"):
        place = rng.uniform(0, 3, len(levels))
        distance = np.abs(place[:, None] - place)
        return Inner(
            "o", ("study", "study", "id", "o")[rng.integers(4)], structure, None, None, distance, levels
        )
    correlation = (float(rng.choice([1.0, -1.0, 0.0, 0.5])),) if rng.random() < 0.1 else None
    variance = (float(rng.choice([0.0, 0.1, 1e6])),) if rng.random() < 0.1 else None
    inner = "t" if structure in ("CAR", "AR", "HAR") else "o"
    return Inner(inner, "study", structure, variance, correlation)


def _design(rng: np.random.Generator, effects: Effects) -> Design | None:
    kind = rng.integers(6)
    if kind == 1:
        return Design(np.stack([np.ones(effects.k), effects["x"]], axis=1), ("intercept", "x"))
    if kind == 2:
        levels = sorted(set(effects["o"].tolist()))
        return Design(np.stack([(effects["o"] == level) * 1.0 for level in levels], axis=1), tuple(levels))
    if kind == 3 and rng.random() < 0.3:
        return Design(np.eye(effects.k), tuple(f"c{i}" for i in range(effects.k)))
    return None
