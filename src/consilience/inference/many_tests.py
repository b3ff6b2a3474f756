"""Every test of the coefficients at once, for many data sets of one design whose variances are known.

The estimates depend on the variances alone; Wald, t, Knapp-Hartung and the cluster-robust tests differ only in the
covariance and the degrees of freedom that they put beside them. So a simulation that compares tests needs one refit of
each data set, not one for each test.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import t_isf, t_two_sided
from ..base.errors import InputError
from ..base.options import choose
from ..likelihood.build import Setup, build
from ..likelihood.terms import partition
from ..records import Fit, Intercept, Known
from .robust import CORRECTIONS, NOTHING, Correction, adjusted_scores, scalar_factor
from .working import Clusters, merged_blocks

TESTS_AT_ONCE = ("z", "t", "knapp-hartung", "knapp-hartung-floor", *CORRECTIONS)
HELD = 2_000_000  # numbers of the covariances of one part of the data sets


@dataclass(frozen=True, eq=False)
class ManyTests:
    """One test on F data sets x p coefficients: all (F, p)."""

    estimate: np.ndarray
    se: np.ndarray
    df: np.ndarray

    def half(self, level: float) -> np.ndarray:
        """(F, p) half-widths of the intervals."""
        return np.asarray(t_isf((1 - level) / 2, self.df) * self.se)

    def p_values(self, value: np.ndarray | float = 0.0) -> np.ndarray:
        """(F, p) two-sided p-values of the hypothesis that the coefficients have this value."""
        return np.asarray(t_two_sided((self.estimate - value) / self.se, self.df))


@dataclass(frozen=True, eq=False)
class _Design:
    """What all data sets share. index : per cluster size (n, m, m) places in the list of all entries of the blocks of M,
    0 = none; rows : per size (n, m); x : (k, p) in the working basis and scale; scale : (p,) exponents.
    linear : (1 + q, entries) M at zero variances and its slope in each, or None if M is not linear in theta."""

    setup: Setup
    linear: np.ndarray | None
    rows: list[np.ndarray]
    index: list[np.ndarray]
    x: np.ndarray
    scale: np.ndarray


def many_tests(fit: Fit, y: np.ndarray, theta: np.ndarray, *, tests: tuple[str, ...]) -> dict[str, ManyTests]:
    """Estimates, standard errors and degrees of freedom of each of `tests` for the data sets y at the variances theta.

    Parameters
    ----------
    fit : gives design, sampling covariances, terms and clusters; inverse-variance weights.
    y : (F, k); theta : (F, q) as in `Components.theta`, NaN where there is none (the result is NaN there).
    tests : of `TESTS_AT_ONCE`.

    Raises
    ------
    InputError ``clusters-not-independent``, ``one-cluster`` (a robust test needs more), ``singular``.
    """
    cluster = partition(fit.effects, (fit.spec.cluster,))
    robust = any(t in CORRECTIONS for t in tests)
    if robust and np.max(cluster) == 0:
        raise InputError("All effects are of one cluster: there is no robust test.", code="one-cluster")
    design = _design(fit, cluster if robust else None)
    n, p = len(y), fit.design.matrix.shape[1]
    found = {
        t: ManyTests(np.full((n, p), np.nan), np.full((n, p), np.nan), np.full((n, p), np.nan)) for t in tests
    }
    usable = np.flatnonzero(np.isfinite(theta).all(axis=1) & np.isfinite(y).all(axis=1))
    per = max(1, HELD // sum(i.size for i in design.index))
    for start in range(0, len(usable), per):
        part = usable[start : start + per]
        for test, (estimate, se, df) in _part(design, y[part], theta[part], tests).items():
            found[test].estimate[part], found[test].se[part], found[test].df[part] = estimate, se, df
    return found


def _design(fit: Fit, cluster: np.ndarray | None) -> _Design:
    """Rows and places by cluster; without clusters (no robust test) by the model's own independent blocks."""
    setup = build(fit.effects, fit.design, fit.spec)
    problem, layout = setup.problem, setup.problem.layout
    blocks = layout.covariances(setup.scale_theta(fit.components.theta, -1))
    numbered, start = [], 1
    for rows, m in blocks:
        numbered.append((rows, np.arange(start, start + m.size, dtype=float).reshape(m.shape)))
        start += m.size
    if cluster is None:
        merged = [(rows[:, 0], rows, places) for rows, places in numbered]
    else:
        merged = list(merged_blocks(numbered, cluster[layout.order]))
    plain = all(isinstance(t, (Intercept, Known)) for t in fit.spec.terms)
    return _Design(
        setup,
        _linear(setup) if plain else None,
        [rows for _, rows, _ in merged],
        [places.astype(np.intp) for _, _, places in merged],
        problem.x,
        setup.exponent - setup.column_exponents,
    )


def _linear(setup: Setup) -> np.ndarray:
    q = len(setup.parameters)
    at = np.array([_flat(setup, theta) for theta in np.vstack([np.zeros((1, q)), np.eye(q)])])
    at[1:] -= at[0]
    return at


def _flat(setup: Setup, theta: np.ndarray) -> np.ndarray:
    """All entries of the blocks of M at theta (q,) on the working scale, one after another."""
    return np.concatenate([m.ravel() for _, m in setup.problem.layout.covariances(theta)])


def _entries(design: _Design, theta: np.ndarray) -> np.ndarray:
    """(F, 1 + entries) of M at each theta (F, q); the first is zero: the place of pairs in different blocks."""
    setup = design.setup
    working = setup.scale_theta(theta, -1)
    if design.linear is None:
        found = np.array([_flat(setup, one) for one in working])
    else:
        found = design.linear[0] + working @ design.linear[1:]
    return np.concatenate([np.zeros((len(found), 1)), found], axis=1)


def _part(
    design: _Design, y: np.ndarray, theta: np.ndarray, tests: tuple[str, ...]
) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(estimate, se, df), each (F, p), per test."""
    setup, layout = design.setup, design.setup.problem.layout
    entries = _entries(design, theta)
    rest = layout.to_working(np.ldexp(y, -setup.exponent).T).T - design.x @ setup.offset
    groups = [
        _group(entries[:, index], design.x[rows], rest[:, rows])
        for rows, index in zip(design.rows, design.index, strict=True)
    ]
    information = sum(np.einsum("nmp,fnmq->fpq", g.x, g.wx, optimize=True) for g in groups)
    try:
        root = np.swapaxes(np.linalg.inv(np.linalg.cholesky(information)), 1, 2)
    except np.linalg.LinAlgError:
        raise InputError("The covariance of the effects is singular.", code="singular") from None
    score = sum(np.einsum("fnmp,fnm->fp", g.wx, g.y, optimize=True) for g in groups)
    gamma = np.einsum("fqp,fq->fp", root, score)
    scaled_root = np.ldexp(root, design.scale[None, :, None])
    beta = np.einsum("fpq,fq->fp", scaled_root, gamma) + np.ldexp(setup.offset, design.scale)
    based = [_orthonormal(g, root, gamma) for g in groups]
    return {t: (beta, *_one_test(t, based, scaled_root)) for t in tests}


@dataclass(frozen=True, eq=False)
class _Group:
    """Clusters of one size of all data sets: phi (f, n, m, m), x (n, m, p), wx (f, n, m, p), y (f, n, m)."""

    phi: np.ndarray
    x: np.ndarray
    wx: np.ndarray
    y: np.ndarray


def _group(phi: np.ndarray, x: np.ndarray, y: np.ndarray) -> _Group:
    wide = np.broadcast_to(x, (len(phi), *x.shape))
    try:
        wx = wide / phi if x.shape[1] == 1 else np.linalg.solve(phi, wide)
    except np.linalg.LinAlgError:
        raise InputError("The covariance of the effects is singular.", code="singular") from None
    return _Group(phi, x, wx, y)


@dataclass(frozen=True, eq=False)
class _Based:
    """A group in the basis where each data set's coefficients have unit covariance; `flat` has f n clusters."""

    flat: Clusters
    shape: tuple[int, ...]


def _orthonormal(g: _Group, root: np.ndarray, gamma: np.ndarray) -> _Based:
    f, n, m, p = g.wx.shape
    x = np.einsum("nmp,fpq->fnmq", g.x, root, optimize=True)
    wx = np.einsum("fnmp,fpq->fnmq", g.wx, root, optimize=True)
    e = g.y - np.einsum("fnmq,fq->fnm", x, gamma, optimize=True)
    rows = np.zeros((f * n, m), dtype=np.intp)  # of no use here
    flat = Clusters(
        rows,
        g.phi.reshape(-1, m, m),
        x.reshape(-1, m, p),
        wx.reshape(-1, m, p),
        e.reshape(-1, m),
    )
    return _Based(flat, (f, n, m, p))


def _one_test(test: str, groups: list[_Based], root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom, (F, p) each; root (F, p, p) with beta = root gamma."""
    if test in CORRECTIONS:
        return _robust(choose(test, CORRECTIONS, what="test"), groups, root)
    n, p = root.shape[:2]
    k = sum(g.shape[1] * g.shape[2] for g in groups)
    se = np.linalg.norm(root, axis=2)
    if test == "z":
        return se, np.full((n, p), np.inf)
    df = np.full((n, p), float(k - p) if k > p else np.nan)
    if test == "t":
        return se, df
    rss = np.zeros(n)
    for g in groups:
        solved = np.linalg.solve(g.flat.phi, g.flat.e[:, :, None])[:, :, 0]
        rss += np.sum((solved * g.flat.e).reshape(n, -1), axis=1)
    ratio = rss / df[:, 0]
    ratio = np.maximum(ratio, 1.0) if test == "knapp-hartung-floor" else ratio
    return se * np.sqrt(ratio)[:, None], df


def _robust(test: Correction, groups: list[_Based], root: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """As `robust.robust_covariance` and `robust.satterthwaite`, with inverse-variance weights: the covariance of the
    terms that are squared is d_i [i = j] - t_i't_j."""
    n, p = root.shape[:2]
    k = sum(g.shape[1] * g.shape[2] for g in groups)
    factor = scalar_factor(test, sum(g.shape[1] for g in groups), (k, p))
    length = np.linalg.norm(root, axis=2)
    h = root / length[:, :, None]
    squares, trace, own, low = np.zeros((n, p)), np.zeros((n, p)), np.zeros((n, p)), np.zeros((n, p))
    crossed = np.zeros((n, p, p, p))
    for g in groups:
        adjusted = factor * adjusted_scores(test, g.flat, g.flat.x, np.eye(p))
        terms = np.einsum("fnmp,fcp->fncm", adjusted.reshape(g.shape), h, optimize=True)
        e, x = g.flat.e.reshape(g.shape[:3]), g.flat.x.reshape(g.shape)
        phi = g.flat.phi.reshape(*g.shape[:3], g.shape[2])
        squares += np.sum(np.einsum("fncm,fnm->fnc", terms, e) ** 2, axis=1)
        d = np.sum((terms @ phi) * terms, axis=3)
        t = terms @ x  # (f, n, c, p)
        below = np.sum(t * t, axis=3)
        trace += np.sum(d - below, axis=1)
        own += np.sum(d * d, axis=1)
        low += np.sum(d * below, axis=1)
        crossed += np.einsum("fncp,fncq->fcpq", t, t, optimize=True)
    square = own - 2 * low + np.sum(crossed * crossed, axis=(2, 3))
    known = (square > 0) & (trace > NOTHING)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(known, trace * trace / square, np.nan)
    return np.where(known, length * np.sqrt(squares), np.nan), df
