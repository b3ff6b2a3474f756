"""Nested intercepts on many data sets at once: which models are that, and the kernels called in pieces of bounded size."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from ..base.linalg import one_blas_thread
from ..inference.many import Evaluated, ManyCoefficients, many_coefficients
from ..likelihood.nested_batch import NestedBatch, lanes_at, slopes_at, surely_seen
from ..likelihood.nested_prepare import Prepared, Studies, prepare_nested
from ..likelihood.nested_search import search
from ..likelihood.terms import partition
from ..records import Effects, Intercept, Refits, Spec

FLAT = 1e-9  # visible share of a variance below which the coefficients hide it
PIECE = 200_000  # numbers of the largest array of one piece
METHODS = ("REML", "ML", "EE")


@dataclass(frozen=True, eq=False)
class Nesting:
    """How the effects of a model nest. parts : (q,) for each parameter 0 = between effects, 1 = between groups; given : (q,)
    variances, NaN = estimate; group, cluster : (k,) codes, groups within clusters, blocks of V within groups."""

    parts: tuple[int, ...]
    given: np.ndarray
    group: np.ndarray
    cluster: np.ndarray


def nesting_of(effects: Effects, spec: Spec) -> Nesting | None:
    """None if the model is not one of intercepts of effects and of one grouping inside the clusters, by a likelihood."""
    plain = (
        spec.scale is None and spec.method in METHODS and not spec.weights and spec.test != "t-containment"
    )
    if not plain or effects.k == 0:
        return None
    terms = [term for term in spec.terms if isinstance(term, Intercept)]
    rows = ["row" in term.by for term in terms]
    if len(terms) < len(spec.terms) or sum(rows) > 1 or len(rows) - sum(rows) > 1:
        return None
    cluster = partition(effects, (spec.cluster,))
    group = cluster
    for term, row in zip(terms, rows, strict=True):
        if not row:
            group = partition(effects, term.by)
    first = np.zeros(int(group.max()) + 1, dtype=np.intp)
    first[group] = cluster
    if (first[group] != cluster).any() or any(
        (group[block.rows] != group[block.rows[0]]).any() for block in effects.blocks if len(block.rows)
    ):
        return None
    given = np.array([np.nan if term.variance is None else term.variance for term in terms])
    return Nesting(tuple(0 if row else 1 for row in rows), given, group, cluster)


def blocks_by_size(effects: Effects) -> list[tuple[np.ndarray, np.ndarray]]:
    """Blocks of V, equal sizes together: [(rows (n, m), V (n, m, m)), ...]; a block of one row is none."""
    by_size: dict[int, list[int]] = {}
    for number, block in enumerate(effects.blocks):
        by_size.setdefault(len(block.rows), []).append(number)
    return [
        (
            np.array([effects.blocks[i].rows for i in by_size[size]], dtype=np.intp),
            np.array([effects.blocks[i].matrix for i in by_size[size]], dtype=float),
        )
        for size in sorted(by_size)
        if size > 1
    ]


@dataclass(frozen=True, eq=False)
class Given:
    """Arrays of F data sets; a first axis S is F, or 1 where all share it. y (F, k); v, keep (S, k); x (S, k, p);
    blocks : [(rows (n, m), V (S, n, m, m)), ...]."""

    y: np.ndarray
    v: np.ndarray
    x: np.ndarray
    keep: np.ndarray
    blocks: list[tuple[np.ndarray, np.ndarray]]

    def piece(self, start: int, stop: int) -> Given:
        """Data sets `start` to `stop`."""
        n = len(self.y)

        def part(a: np.ndarray) -> np.ndarray:
            return a[start:stop] if len(a) == n else a

        blocks = [(rows, part(matrices)) for rows, matrices in self.blocks]
        return Given(self.y[start:stop], part(self.v), part(self.x), part(self.keep), blocks)


def fit_nested(data: Given, nesting: Nesting, spec: Spec, *, start: np.ndarray | None = None) -> Refits:
    """The model on every data set, each at the highest likelihood; not `ok` where `fit` would refuse.

    Parameters
    ----------
    start : (q,) variances to climb from instead of a search for the highest maximum (local, faster).
    """
    n, k = data.y.shape
    _, sizes = np.unique(nesting.cluster, return_counts=True)
    size = k * (data.x.shape[2] + 1) + int((sizes**2).sum())
    per = max(1, PIECE // size)
    with one_blas_thread():
        pieces = [
            _fit(data if per >= n else data.piece(i, i + per), nesting, spec, start) for i in range(0, n, per)
        ]
    return pieces[0] if len(pieces) == 1 else joined(pieces)


def joined(pieces: list[Refits]) -> Refits:
    """Refits of the same model one after another."""
    return Refits(
        **{f.name: np.concatenate([getattr(piece, f.name) for piece in pieces]) for f in fields(Refits)}
    )


def _fit(data: Given, nesting: Nesting, spec: Spec, start: np.ndarray | None) -> Refits:
    order = np.lexsort((nesting.group, nesting.cluster))
    group = nesting.group[order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    index = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(group)))
    studies = Studies(data.y, data.v, data.x, data.keep, data.blocks, order, starts, index)
    k = np.broadcast_to(data.keep.sum(axis=1), (len(data.y),))
    prepared = prepare_nested(studies)
    size = data.x.shape[2], len(nesting.parts)
    if prepared is None:
        return empty_refits(k, *size)
    reml = spec.method == "REML"
    theta = _estimated(prepared, nesting, spec, start)
    at = lanes_at(prepared.batch, theta, reml=reml)
    cluster = nesting.cluster[order]
    cluster = np.cumsum(np.diff(cluster, prepend=cluster[0]) != 0)
    found = Evaluated(prepared, at, theta, cluster)
    table = many_coefficients(found, test=spec.test, level=spec.level)
    return _refits(found, table, nesting, k=k, reml=reml)


def empty_refits(k: np.ndarray, p: int, q: int) -> Refits:
    """Nothing could be fitted."""
    n = len(k)
    shapes = {"covariance": (n, p, p), "theta": (n, q)}
    shapes |= dict.fromkeys(("estimate", "se", "df", "statistic", "p_value", "ci_low", "ci_high"), (n, p))
    values = {
        f.name: np.full(shapes.get(f.name, (n,)), np.nan) for f in fields(Refits) if f.name not in ("ok", "k")
    }
    return Refits(ok=np.zeros(n, dtype=bool), k=np.array(k), **values)


def _estimated(prepared: Prepared, nesting: Nesting, spec: Spec, start: np.ndarray | None) -> np.ndarray:
    """(G, 2) variances between effects and between groups on the working scale."""
    batch = prepared.batch
    fixed = np.zeros((len(batch.d), 2))
    free = np.zeros((len(batch.d), 2), dtype=bool)
    for part, given in zip(nesting.parts, nesting.given.tolist(), strict=True):
        if np.isfinite(given):
            fixed[:, part] = np.ldexp(given, 2 * prepared.exponent)
        elif spec.method != "EE":
            free[:, part] = True
    if not free.any():
        return fixed
    free &= ~_hidden(batch, nesting, free, fixed)
    theta, first, local = fixed, fixed.copy(), start is not None
    if start is not None:
        warm = np.zeros(2)
        np.add.at(warm, list(nesting.parts), start)
        first = np.where(free, np.ldexp(warm, 2 * prepared.exponent[:, None]), fixed)
    codes = free @ np.array([1, 2])
    for code in np.unique(codes[codes > 0]).tolist():
        rows = np.flatnonzero(codes == code)
        chosen = batch if len(rows) == len(codes) else batch.take(rows)
        best = search(chosen, free[rows[0]], first[rows], reml=spec.method == "REML", local=local)
        theta[rows] = best.theta
    return theta


def _hidden(batch: NestedBatch, nesting: Nesting, free: np.ndarray, fixed: np.ndarray) -> np.ndarray:
    """(G, 2) variances of which the data say nothing: the later of two that every group of one effect confounds, and
    those behind the coefficients."""
    probe = np.where(free, 1.0, fixed)
    hidden = np.zeros(free.shape, dtype=bool)
    rows = np.flatnonzero((free & ~surely_seen(batch, probe)).any(axis=1))
    if len(rows):
        at = lanes_at(batch.take(rows), probe[rows], reml=True)
        hidden[rows] = slopes_at(at, reml=True).flat < FLAT
    if len(nesting.parts) == 2:
        alone = np.add.reduceat(~np.isinf(batch.d), batch.starts, axis=1).max(axis=1) == 1
        hidden[:, nesting.parts[1]] |= alone
    return hidden


def _refits(
    found: Evaluated, table: ManyCoefficients, nesting: Nesting, *, k: np.ndarray, reml: bool
) -> Refits:
    """Everything on the effects' scale, spread over all data sets."""
    prepared, at, theta = found.prepared, found.at, found.theta
    batch, e = prepared.batch, prepared.exponent
    exists = np.isfinite(at.loglik)
    unit = e * np.log(2.0) * (batch.n - (batch.p if reml else 0))
    tau2 = np.ldexp(theta.sum(axis=1), -2 * e)
    q, i2, h2 = _heterogeneity(prepared, tau2)
    values = {name: getattr(table, name) for name in table.__dataclass_fields__}
    values |= {
        "theta": np.ldexp(theta[:, list(nesting.parts)], -2 * e[:, None]),
        "tau2": tau2,
        "loglik": at.loglik + unit,
        "q": q,
        "i2": i2,
        "h2": h2,
    }
    empty = empty_refits(k, batch.p, len(nesting.parts))
    rows = np.flatnonzero(prepared.ok)[exists]
    for name, value in values.items():
        getattr(empty, name)[rows] = value[exists]
    empty.ok[rows] = True
    return empty


def _heterogeneity(prepared: Prepared, tau2: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q, I^2 (percent) and H^2 with weights V^-1, (G,); see `levels.heterogeneity_by_level`."""
    batch = prepared.batch
    at = lanes_at(batch, np.zeros((len(batch.d), 2)), reml=True)
    df = batch.n - batch.p
    with np.errstate(divide="ignore", invalid="ignore"):
        f = at.factor.project(at.q.copy()) * at.factor.root[:, None, :]
        typical = df / (at.factor.trace_inverse() - (f * f).sum(axis=(1, 2)))
        typical = np.where(
            np.isfinite(at.loglik) & (df > 0), np.ldexp(typical, -2 * prepared.exponent), np.nan
        )
        total = tau2 + typical
        q = np.where(df == 0, 0.0, np.where(np.isfinite(at.loglik), at.rss, np.nan))
        return q, 100.0 * tau2 / total, total / typical
