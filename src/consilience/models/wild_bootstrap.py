"""Cluster wild bootstrap test of linear hypotheses, and the interval that inverts it, for few clusters.

With the weights of the working model held, everything that a replicate needs is linear in its multipliers w: the moved
coefficients d = B'w and the robust covariance sum (w_j a_j - t_j d)^2, whose parts are three products of w with fixed
columns. A replicate costs O(m p), no refit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..base.errors import InputError
from ..base.linalg import one_blas_thread
from ..base.options import choose, confidence_level
from ..base.shares import exact_interval
from ..inference.contrasts import Hypothesis, constraint_rows, independent_rows
from ..inference.robust import Correction, Robust, robust_covariance
from ..inference.wald import prepared
from ..inference.working import working_of
from ..records import Fit
from ..records.resampling import WildBootstrap, WildInterval

Auxiliary = Literal["rademacher", "mammen", "webb", "normal"]
AUXILIARIES: tuple[Auxiliary, ...] = ("rademacher", "mammen", "webb", "normal")
CHUNK = 2_000_000  # multipliers held at once
VALUES = 20  # values on each side of an estimate at which the p-value is told
TIE = 1 - 1e-10  # replicates may equal the observed statistic up to rounding


@dataclass(frozen=True, eq=False)
class _Terms:
    """Per cluster: b (m, p) X'We0, a (m, q) C A'-adjusted scores of e0, t (m, q, p) the same of X."""

    b: np.ndarray
    a: np.ndarray
    t: np.ndarray


def wild_bootstrap(
    fit: Fit,
    constraints: Hypothesis,
    *,
    rng: np.random.Generator,
    replicates: int = 1999,
    auxiliary: Auxiliary = "rademacher",
    correction: Correction = "CR2",
    impose: bool = True,
) -> WildBootstrap:
    """p-value of C beta = 0 by multiplying the residuals of each cluster with random numbers of mean 0 and variance 1.

    The robust Wald statistic of each such data set is compared with the observed one. With signs and
    2^m <= `replicates` all sign patterns are taken instead of random ones: the p-value is then exact.

    Parameters
    ----------
    constraints : (q, p) rows or names, as in `contrasts`; auxiliary : ``rademacher`` (signs), ``mammen`` (two points), ``webb`` (six points, for fewer
        than about 10 clusters), ``normal``.
    impose : residuals of the model fitted under the hypothesis (keeps the size with few clusters); False = those of
        the fit itself, with its estimates as the truth.

    Raises
    ------
    InputError ``constraints``, ``replicates``, ``no-robust-variance`` (one cluster alone carries the hypothesis, or
    there are too few); OptionError for an unknown auxiliary.

    Source: Cameron, Gelbach & Miller (2008), Rev Econ Stat 90:414; Joshi, Pustejovsky & Beretvas (2022), Res Synth
    Methods 13:457; Webb (2023), Can J Econ 56:839.
    """
    choose(auxiliary, AUXILIARIES, what="auxiliary distribution")
    c = _checked(fit, constraints, replicates)
    with one_blas_thread():
        robust = robust_covariance(working_of(fit), correction)
        inner, gap = c @ robust.working.root, c @ robust.working.beta
        terms = _terms(robust, inner, gap if impose else 0 * gap)
        _testable(fit, robust, c)
        observed = float(gap @ np.linalg.solve(c @ robust.covariance @ c.T, gap))
        m, q = terms.a.shape
        beyond, exact, draws = 0, _enumerated(auxiliary, m, replicates), []
        for w in _multipliers(rng, auxiliary, m=m, replicates=replicates):
            draws.append(_statistics(terms, w, inner))
            reached = draws[-1] >= observed * TIE
            beyond += int(np.sum(reached | _alike(w) if impose else reached))
    made = 2**m if exact else replicates
    p_low, p_high = (float(x) for x in exact_interval(beyond, made))
    p_value = beyond / made if exact else (beyond + 1) / (made + 1)
    return WildBootstrap(
        name=f"cluster wild bootstrap ({auxiliary})",
        statistic=observed / q,
        df1=q,
        p_value=p_value,
        p_low=p_value if exact else min(p_low, p_value),
        p_high=p_value if exact else max(p_high, p_value),
        replicates=made,
        exact=exact,
        imposed=impose,
        auxiliary=auxiliary,
        correction=correction,
        clusters=m,
        draws=np.concatenate(draws) / q,
    )


def wild_bootstrap_interval(
    fit: Fit,
    contrast: Hypothesis,
    *,
    rng: np.random.Generator,
    replicates: int = 1999,
    auxiliary: Auxiliary = "rademacher",
    correction: Correction = "CR2",
    level: float | None = None,
) -> WildInterval:
    """Values of one contrast c'beta that the test with the hypothesis imposed does not reject, by the same draws.

    The p-value is followed outwards from the estimate to the first value that is rejected.

    Parameters
    ----------
    contrast : (p,) or a name, as in `contrasts`; level : None = that of the fit.

    Raises
    ------
    InputError ``constraints``, ``replicates``, ``no-robust-variance``; OptionError for an unknown auxiliary.

    Source: Davidson & MacKinnon (2010), J Bus Econ Stat 28:128 (inversion of a wild bootstrap test).
    """
    choose(auxiliary, AUXILIARIES, what="auxiliary distribution")
    c = _checked(fit, contrast, replicates)
    if len(c) > 1:
        raise InputError("An interval needs one contrast, not several.", code="constraints")
    level = fit.spec.level if level is None else confidence_level(level)
    with one_blas_thread():
        line = _line(fit, c, _Draws(rng, auxiliary, replicates), correction)
        alpha, made = 1 - level, len(line.moved)
        error = 0.0 if line.exact else 1.96 * np.sqrt(alpha * level / made)
        low, high = line.limit(alpha, -1), line.limit(alpha, 1)
        near = [line.limit(min(alpha + error, 1.0), side) for side in (-1, 1)]
        far = [line.limit(max(alpha - error, 0.0), side) for side in (-1, 1)]
        values = _values(line, low, high)
        p_values = np.array([line.p_value(line.estimate - value) for value in values])
    with np.errstate(invalid="ignore"):
        errors = [0.0 if line.exact else abs(a - b) / 2 for a, b in zip(near, far, strict=True)]
    named = [f"{x:g} {name}" for x, name in zip(c[0], fit.coefficients.names, strict=True) if x]
    return WildInterval(
        name=" + ".join(named).replace("1 ", "", 1) if len(named) == 1 else " + ".join(named),
        estimate=line.estimate,
        low=low,
        high=high,
        low_error=errors[0],
        high_error=errors[1],
        level=level,
        replicates=made,
        exact=line.exact,
        auxiliary=auxiliary,
        correction=correction,
        clusters=line.clusters,
        values=values,
        p_values=p_values,
    )


def _values(line: _Line, low: float, high: float) -> np.ndarray:
    """(n,) hypothesised values at which the p-value is told: beyond both limits, the estimate among them."""
    sides = []
    for limit, sign in ((low, -1), (high, 1)):
        reach = 1.4 * abs(limit - line.estimate) if np.isfinite(limit) else 6 * float(np.sqrt(line.variance))
        sides.append(line.estimate + sign * reach * np.linspace(0, 1, VALUES + 1))
    return np.concatenate([sides[0][:0:-1], sides[1]])


def _checked(fit: Fit, constraints: Hypothesis, replicates: int) -> np.ndarray:
    c = constraint_rows(fit, constraints)[0]
    independent_rows(c)
    if replicates < 1:
        raise InputError(
            f"The number of replicates is {replicates}; it must be at least 1.", code="replicates"
        )
    return c


def _testable(fit: Fit, robust: Robust, c: np.ndarray) -> None:
    """Raise InputError ``no-robust-variance`` where the constraints have no robust covariance to divide by."""
    labels = constraint_rows(fit, c)[1]
    found = prepared(robust, c, labels)
    if isinstance(found, str):
        raise InputError(
            f"The hypothesis cannot be tested: {found}.",
            code="no-robust-variance",
            advice="Leave out the coefficients that one study alone determines, or test with the model's covariance.",
        )


def _terms(robust: Robust, inner: np.ndarray, gap: np.ndarray) -> _Terms:
    """Pieces of the statistic that do not change between replicates."""
    # restricted fit: gamma moves by spread C'(C spread C')^-1 gap; with M-orthonormal X the spread is the identity
    moved = inner.T @ np.linalg.solve(inner @ inner.T, gap)
    b, a, t = [], [], []
    for group, e in zip(robust.groups, robust.adjusted, strict=True):
        rest = group.e + group.x @ moved
        b.append(np.einsum("nmp,nm->np", group.wx, rest))
        a.append(np.einsum("nmp,nm,qp->nq", e, rest, inner, optimize=True))
        t.append(np.einsum("nmp,nmr,qp->nqr", e, group.x, inner, optimize=True))
    return _Terms(np.concatenate(b), np.concatenate(a), np.concatenate(t))


def _statistics(terms: _Terms, w: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """(R,) Wald statistics of the data sets with multipliers w (R, m)."""
    (m, q), p = terms.a.shape, terms.b.shape[1]
    mixed = np.einsum("ms,mtp->mstp", terms.a, terms.t).reshape(m, -1)
    squares = np.einsum("ms,mt->mst", terms.a, terms.a).reshape(m, -1)
    both = w @ np.concatenate([terms.b, mixed], axis=1)
    moved, crossed = both[:, :p], both[:, p:].reshape(-1, q, q, p)
    cross = np.einsum("rstp,rp->rst", crossed, moved)
    own = ((w * w) @ squares).reshape(-1, q, q)
    far = np.einsum("msp,mtr->stpr", terms.t, terms.t)
    spread = own - cross - np.swapaxes(cross, 1, 2)
    spread += np.einsum("rp,stpv,rv->rst", moved, far, moved, optimize=True)
    gap = moved @ inner.T
    if q == 1:
        return np.asarray(gap[:, 0] ** 2 / np.maximum(spread[:, 0, 0], 1e-300))
    solved = np.linalg.solve(spread + 1e-300 * np.eye(q), gap[:, :, None])[:, :, 0]
    return np.asarray(np.sum(gap * solved, axis=1))


@dataclass(frozen=True, eq=False)
class _Draws:
    rng: np.random.Generator
    auxiliary: Auxiliary
    replicates: int


@dataclass(frozen=True, eq=False)
class _Line:
    """All replicates as functions of g = estimate - hypothesised value; each array has one row a replicate.

    moved (R, 2, p), crossed (R, 2, p), own (R, 3) : the parts of order 0 and 1 (own: 0, 1, 2) in g; alike (R,).
    """

    estimate: float
    variance: float
    inner: np.ndarray
    far: np.ndarray
    moved: np.ndarray
    crossed: np.ndarray
    own: np.ndarray
    alike: np.ndarray
    exact: bool
    clusters: int

    def p_value(self, g: float) -> float:
        moved = self.moved[:, 0] + g * self.moved[:, 1]
        crossed = self.crossed[:, 0] + g * self.crossed[:, 1]
        own = self.own @ np.array([1.0, 2 * g, g * g])
        spread = own - 2 * np.sum(crossed * moved, axis=1) + np.sum(moved @ self.far * moved, axis=1)
        found = (moved @ self.inner) ** 2 / np.maximum(spread, 1e-300)
        beyond = float(np.sum((found >= g * g / self.variance * TIE) | self.alike))
        return beyond / len(found) if self.exact else (beyond + 1) / (len(found) + 1)

    def limit(self, alpha: float, side: int) -> float:
        """The first value on one `side` of the estimate with a p-value of at most `alpha`; infinite if none is found."""
        step = float(np.sqrt(self.variance))
        inside, outside = 0.0, step
        while self.p_value(-side * outside) > alpha:
            inside, outside = outside, 1.5 * outside
            if outside > 1e6 * step:
                return side * np.inf
        while outside - inside > 1e-7 * outside:
            middle = 0.5 * (inside + outside)
            if self.p_value(-side * middle) > alpha:
                inside = middle
            else:
                outside = middle
        return self.estimate + side * outside


def _line(fit: Fit, c: np.ndarray, draws: _Draws, correction: Correction) -> _Line:
    robust = robust_covariance(working_of(fit), correction)
    _testable(fit, robust, c)
    inner, gap = c @ robust.working.root, c @ robust.working.beta
    base, unit = _terms(robust, inner, 0 * gap), _terms(robust, inner, np.ones(1))
    m, p = base.b.shape
    a0, t = base.a[:, 0], base.t[:, 0]
    a1, b1 = unit.a[:, 0] - a0, unit.b - base.b
    columns = np.concatenate([base.b, b1, a0[:, None] * t, a1[:, None] * t], axis=1)
    squares = np.column_stack([a0 * a0, a0 * a1, a1 * a1])
    linear, own, alike = [], [], []
    for w in _multipliers(draws.rng, draws.auxiliary, m=m, replicates=draws.replicates):
        linear.append(w @ columns)
        own.append((w * w) @ squares)
        alike.append(_alike(w))
    parts = np.concatenate(linear).reshape(-1, 4, p)
    return _Line(
        estimate=float(gap[0]),
        variance=float((c @ robust.covariance @ c.T)[0, 0]),
        inner=inner[0],
        far=t.T @ t,
        moved=parts[:, :2],
        crossed=parts[:, 2:],
        own=np.concatenate(own),
        alike=np.concatenate(alike),
        exact=_enumerated(draws.auxiliary, m, draws.replicates),
        clusters=m,
    )


def _alike(w: np.ndarray) -> np.ndarray:
    """(R,) all multipliers equal: the data set repeats the observed statistic, however rounding comes out."""
    if w.shape[1] > 60:
        return np.zeros(len(w), dtype=bool)
    return np.asarray(np.all(w == w[:, :1], axis=1))


def _enumerated(auxiliary: Auxiliary, m: int, replicates: int) -> bool:
    return auxiliary == "rademacher" and m < 60 and 2**m <= replicates


def _multipliers(
    rng: np.random.Generator, auxiliary: Auxiliary, *, m: int, replicates: int
) -> Iterator[np.ndarray]:
    """Multipliers (r, m), a part of the replicates at a time; the numbers do not depend on the size of the parts."""
    per = max(1, CHUNK // m)
    if _enumerated(auxiliary, m, replicates):
        for start in range(0, 2**m, per):
            codes = np.arange(start, min(start + per, 2**m), dtype=np.uint64)
            yield 2.0 * ((codes[:, None] >> np.arange(m, dtype=np.uint64)) & np.uint64(1)) - 1.0
        return
    for start in range(0, replicates, per):
        yield _draw(rng, auxiliary, (min(per, replicates - start), m))


def _draw(rng: np.random.Generator, auxiliary: Auxiliary, shape: tuple[int, int]) -> np.ndarray:
    if auxiliary == "normal":
        return np.asarray(rng.standard_normal(shape))
    if auxiliary == "mammen":
        root = np.sqrt(5.0)
        low = rng.random(shape) < (root + 1) / (2 * root)
        return np.asarray(np.where(low, (1 - root) / 2, (1 + root) / 2))
    if auxiliary == "webb":
        points = np.sqrt(np.array([0.5, 1.0, 1.5]))
        six = np.concatenate([-points, points])
        return np.asarray(six[rng.integers(0, 6, shape)])
    words = rng.integers(0, 2**64, size=(shape[0], -(-shape[1] // 64)), dtype=np.uint64)
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, count=shape[1], bitorder="little")
    return np.asarray(2.0 * bits - 1.0)
