"""Deletion diagnostics from literal refits and whole matrices: slow, obvious, nothing shared with the package's own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from consilience.models import fit
from consilience.models.univariate import is_univariate
from consilience.records import Block, Design, Effects, Fit, Inner, Intercept, Spec


@dataclass(frozen=True, eq=False)
class Brute:
    """Arrays as in `records.Influence`."""

    hat: np.ndarray
    residual: np.ndarray
    residual_se: np.ndarray
    chi2: np.ndarray
    dffits: np.ndarray
    cook: np.ndarray
    covratio: np.ndarray
    dfbetas: np.ndarray
    tau2: np.ndarray
    q: np.ndarray


def marginal(ours: Fit, theta: np.ndarray) -> np.ndarray:
    """(k, k) covariance of the effects for intercepts and CS/UN terms, entry by entry."""
    effects = ours.effects
    m = effects.covariance()
    at = 0
    for term in ours.spec.terms:
        if isinstance(term, Intercept):
            labels = [
                i if "row" in term.by else tuple(effects[name][i] for name in term.by)
                for i in range(effects.k)
            ]
            same = np.array([[a == b for b in labels] for a in labels])
            m = m + theta[at] * same
            at += 1
        else:
            assert isinstance(term, Inner)
            assert term.structure == "DIAG"
            levels = sorted(set(effects[term.inner].tolist()))
            for i in range(effects.k):
                for j in range(effects.k):
                    level = effects[term.inner][i]
                    if level == effects[term.inner][j] and effects[term.outer][i] == effects[term.outer][j]:
                        m[i, j] += theta[at + levels.index(level)]
            at += len(levels)
    return m


def least_squares(x: np.ndarray, m: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """A with b = A y, and the covariance of b."""
    w = np.linalg.inv(m) if weights is None else np.diag(weights)
    a = np.linalg.solve(x.T @ w @ x, x.T @ w)
    return a, a @ m @ a.T


def brute_influence(ours: Fit, code: np.ndarray, *, hold: bool = False) -> Brute:
    """Every quantity by its definition; covariances of the model, times s^2 with Knapp-Hartung."""
    effects, x, spec = ours.effects, ours.design.matrix, ours.spec
    k, p = x.shape
    weights = None if not spec.weights else np.ones(k) if spec.weights == "equal" else effects[spec.weights]
    m = marginal(ours, ours.components.theta)
    a, covariance = least_squares(x, m, weights)
    scaled = spec.test.startswith("knapp-hartung")
    covariance = covariance * (s2(effects.y, x, m, spec.test) if scaled else 1.0)
    hat = np.diag(x @ a)
    b = a @ effects.y
    n = int(code.max()) + 1
    residual, se, dffits = np.empty(k), np.empty(k), np.full(n, 0.0)
    chi2, cook, ratio, tau2, q = (np.empty(n) for _ in range(5))
    dfbetas = np.empty((n, p))
    for j in range(n):
        c, keep = np.flatnonzero(code == j), code != j
        theta = ours.components.theta
        if not hold:
            rest = fit(
                effects.take(keep), replace(spec, test="z"), design=replace(ours.design, matrix=x[keep])
            )
            theta = rest.components.theta
        whole = marginal(ours, theta)
        part = whole[np.ix_(keep, keep)]
        a_rest, v_rest = least_squares(x[keep], part, None if weights is None else weights[keep])
        factor = s2(effects.y[keep], x[keep], part, spec.test) if scaled else 1.0
        v_rest = v_rest * factor
        b_rest = a_rest @ effects.y[keep]
        residual[c] = effects.y[c] - x[c] @ b_rest
        spread = factor * whole[np.ix_(c, c)] + x[c] @ v_rest @ x[c].T
        se[c] = np.sqrt(np.diag(spread))
        chi2[j] = residual[c] @ np.linalg.solve(spread, residual[c])
        every = least_squares(x, whole, weights)[1] * factor
        single = is_univariate(effects, replace(spec, test="z")) and weights is None
        unit = factor * hat[c] * np.diag(whole)[c] if single else np.diag(x[c] @ every @ x[c].T)
        moved = (x[c] @ (b - b_rest)) / np.sqrt(unit)
        dffits[j] = moved[np.argmax(np.abs(moved))]
        cook[j] = (b - b_rest) @ np.linalg.solve(covariance, b - b_rest)
        ratio[j] = np.linalg.det(v_rest) / np.linalg.det(covariance)
        dfbetas[j] = (b - b_rest) / np.sqrt(np.diag(every))
        tau2[j] = np.mean(np.diag(whole - effects.covariance())[keep])
        v = effects.covariance()[np.ix_(keep, keep)]
        e = effects.y[keep] - x[keep] @ (least_squares(x[keep], v, None)[0] @ effects.y[keep])
        q[j] = e @ np.linalg.solve(v, e)
    return Brute(np.bincount(code, hat), residual, se, chi2, dffits, cook, ratio, dfbetas, tau2, q)


def s2(y: np.ndarray, x: np.ndarray, m: np.ndarray, test: str) -> float:
    """Knapp-Hartung's factor."""
    e = y - x @ (least_squares(x, m, None)[0] @ y)
    value = float(e @ np.linalg.solve(m, e)) / (len(y) - x.shape[1])
    return max(value, 1.0) if test.endswith("floor") else value


def single(seed: int = 1, k: int = 14) -> tuple[Effects, Design]:
    """One effect per study with a moderator, weights and a year with ties."""
    rng = np.random.default_rng(seed)
    v, x = rng.uniform(0.01, 0.3, k), rng.normal(size=k)
    y = 0.3 + 0.2 * x + rng.normal(0, np.sqrt(v + 0.1))
    columns = {
        "w": rng.uniform(0.5, 2, k),
        "x": x,
        "year": 2000.0 + rng.integers(0, 6, k),
        "kind": np.array(list("abcd") * k, dtype=object)[:k],
    }
    labels = np.array([f"Study {i}" for i in range(k)], dtype=object)
    return Effects(y, v, labels, columns=columns), Design(
        np.column_stack([np.ones(k), x]), ("intercept", "x"), "x", {"intercept": (0,), "x": (1,)}
    )


def several(seed: int = 2, m: int = 9, *, blocks: bool = True) -> tuple[Effects, Design]:
    """One to four effects per study, two outcomes, sampling covariances, a moderator."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 5, m)
    study = np.repeat(np.arange(m), size)
    k = len(study)
    v, x = rng.uniform(0.02, 0.2, k), rng.normal(size=k)
    y = 0.2 + 0.1 * x + rng.normal(0, 0.3, m)[study] + rng.normal(0, np.sqrt(v + 0.03))
    made = []
    for j in range(m):
        rows = np.flatnonzero(study == j)
        if len(rows) > 1:
            made.append(Block(rows, 0.5 * np.sqrt(np.outer(v[rows], v[rows])) + 0.5 * np.diag(v[rows])))
    outcome = np.array([("anxiety", "mood")[i % 2] for i in range(k)], dtype=object)
    names = np.array([f"S{j}" for j in study], dtype=object)
    columns = {"outcome": outcome, "x": x, "year": 2000.0 + study % 4}
    return Effects(y, v, names, blocks=tuple(made) if blocks else (), columns=columns), Design(
        np.column_stack([np.ones(k), x]), ("intercept", "x"), "x", {"intercept": (0,), "x": (1,)}
    )


NESTED = Spec((Intercept(("study",)), Intercept(("study", "row"))), "REML", "z")
