"""Joint inference over many specifications of one analysis: what their curve would look like if no trial had an effect.

Without any effect, and with errors that are as likely to be positive as negative, the results of a trial might as well have come out
with the other sign. The signs of whole trials are drawn at random, the same in all specifications, and the specification curve
is made again each time. Every specification keeps its weights (those of its own fit), so that its mean is a sum over trials
and its standard error a quadratic form: no model is refitted.

Source: Simonsohn, Simmons & Nelson (2020), Nat Hum Behav 4:1208 (median and share of significant results under the null); signs of
trials: Follmann & Proschan (1999), Biometrics 55:732; weights held as in the wild bootstrap of Cameron, Gelbach & Miller (2008), Rev Econ
Stat 90:414.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..base.distributions import t_isf
from ..base.errors import InputError
from ..base.shares import exact_interval
from ..inference.robust import CORRECTIONS, robust_covariance, satterthwaite
from ..inference.rve_weights import WORKING_MODELS
from ..inference.working import Working, working_at, working_of
from ..models import fit
from ..records import Design, Effects, JointTest, JointTestResult, Spec
from ..records.spec import Test

DRAWS = 999
EXACT = 12  # trials up to which all patterns of signs are taken
TIES = 1e-9
BLOCK = 4_000_000  # numbers of one part of the patterns


@dataclass(frozen=True, eq=False)
class FlipParts:
    """A pooled mean as a sum over m trials, for any pattern of signs.

    trial : (m,) labels; term : (m,) their parts of the mean; score, own : test -> (m,): the robust variance is
    sum (sign score - own mean)^2, with df degrees of freedom; model : variance by the model; total : y'M^-1 y over it, so that
    the weighted sum of squares is (total - mean^2 / model); left : effects less one.
    """

    trial: np.ndarray
    term: np.ndarray
    score: dict[str, np.ndarray]
    own: dict[str, np.ndarray]
    df: dict[str, float]
    model: float
    total: float
    left: int


def flip_parts(effects: Effects, spec: Spec, theta: np.ndarray, tests: Sequence[Test]) -> FlipParts | None:
    """The parts of a pooled mean fitted with variances theta (q,); None where the model cannot be taken apart."""
    try:
        working = _working(effects, spec, theta)
        robust = {t: robust_covariance(working, t) for t in tests if t in CORRECTIONS}
        groups = working.clusters
    except InputError:
        return None
    root, gamma = float(working.root[0, 0]), float(working.beta[0] / working.root[0, 0])
    order = working.setup.problem.layout.order
    trial = np.concatenate([effects.study[order[g.rows[:, 0]]] for g in groups])
    # the effects themselves, not what a first fit left of them
    y = [g.e + g.x[:, :, 0] * gamma for g in groups]
    term = np.concatenate([np.sum(g.wx[:, :, 0] * v, axis=1) for g, v in zip(groups, y, strict=True)])
    score: dict[str, np.ndarray] = {}
    own: dict[str, np.ndarray] = {}
    df: dict[str, float] = {}
    for test, found in robust.items():
        scores = [np.sum(a[:, :, 0] * v, axis=1) for a, v in zip(found.adjusted, y, strict=True)]
        moves = [
            np.sum(a[:, :, 0] * g.x[:, :, 0], axis=1) for a, g in zip(found.adjusted, groups, strict=True)
        ]
        score[test], own[test] = root * np.concatenate(scores), np.concatenate(moves)
        df[test] = float(satterthwaite(found, np.ones((1, 1)))[0])
    return FlipParts(
        trial=trial,
        term=root * term,
        score=score,
        own=own,
        df=df,
        model=float(working.covariance[0, 0]),
        total=working.rss + gamma * gamma,
        left=effects.k - 1,
    )


def _working(effects: Effects, spec: Spec, theta: np.ndarray) -> Working:
    if spec.method in WORKING_MODELS:  # their variances are those of working weights, which the fit makes
        return working_of(fit(effects, spec))
    return working_at(effects, Design.intercept(effects.k), spec, theta[: len(spec.terms)])


def flipped(parts: FlipParts, signs: np.ndarray, test: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Means (N,), their standard errors (N,) and degrees of freedom for signs (N, m)."""
    mean = signs @ parts.term
    if test in parts.score:
        score, own = parts.score[test], parts.own[test]
        variance = score @ score - 2 * mean * (signs @ (score * own)) + mean**2 * (own @ own)
        return mean, np.sqrt(np.maximum(variance, 0.0)), parts.df[test]
    if test in ("z", "t"):
        return mean, np.full(len(mean), np.sqrt(parts.model)), np.inf if test == "z" else float(parts.left)
    ratio = (parts.total - mean**2 / parts.model) / parts.left if parts.left else np.full(len(mean), np.nan)
    ratio = np.maximum(ratio, 1.0) if test == "knapp-hartung-floor" else np.maximum(ratio, 0.0)
    return mean, np.sqrt(parts.model * ratio), float(parts.left)


def joint_test(
    parts: Sequence[FlipParts | None],
    tests: Sequence[str],
    *,
    item: np.ndarray,
    test: np.ndarray,
    level: float,
    rng: np.random.Generator,
    draws: int = DRAWS,
) -> JointTestResult | None:
    """Median and share of significant results of n specifications against curves with random signs of whole trials.

    Parameters
    ----------
    parts : of each fitted mean; tests : names. item, test : (n,) which mean and which test each specification takes.
    level : of the intervals; draws : random patterns where there are more than 2^12.

    Returns None where no specification, or fewer than two trials, can be flipped.
    """
    usable = np.array([parts[i] is not None for i in item], dtype=bool)
    item, test = item[usable], test[usable]
    trials = sorted({str(t) for i in set(item.tolist()) for t in _held(parts[i]).trial.tolist()})
    if len(trials) < 2:
        return None
    signs, exact = _patterns(len(trials), draws, rng)
    place = {trial: j for j, trial in enumerate(trials)}
    pairs, pair_of = np.unique(np.column_stack([item, test]), axis=0, return_inverse=True)
    columns = [np.array([place[str(t)] for t in _held(parts[i]).trial.tolist()]) for i, _ in pairs.tolist()]
    median, above, below = [], [], []
    per = max(1, BLOCK // len(item))
    for start in range(0, len(signs), per):
        some = signs[start : start + per]
        mean, side = np.empty((len(some), len(pairs))), np.empty((len(some), len(pairs)), dtype=np.int8)
        for c, (i, t) in enumerate(pairs.tolist()):
            mean[:, c], se, df = flipped(_held(parts[i]), some[:, columns[c]], tests[t])
            beyond = np.abs(mean[:, c]) > float(t_isf((1 - level) / 2, df)) * se
            side[:, c] = np.sign(mean[:, c]) * beyond
        chosen = pair_of.reshape(-1)
        median.append(np.median(mean[:, chosen], axis=1))
        above.append(np.mean(side[:, chosen] > 0, axis=1))
        below.append(np.mean(side[:, chosen] < 0, axis=1))
    share = np.maximum(np.concatenate(above), np.concatenate(below))
    return JointTestResult(
        median=_tested(np.concatenate(median), exact),
        share=_tested(share, exact),
        n=len(item),
        trials=len(trials),
        patterns=len(signs) - (0 if exact else 1),
        exact=exact,
        level=level,
    )


def _held(parts: FlipParts | None) -> FlipParts:
    assert parts is not None  # only usable items are kept
    return parts


def _patterns(m: int, draws: int, rng: np.random.Generator) -> tuple[np.ndarray, bool]:
    """(N, m) signs, the observed ones (all +1) first; all of them for few trials."""
    if m <= EXACT:
        codes = np.arange(2**m)[:, None] >> np.arange(m)[None, :]
        return 1.0 - 2.0 * (codes & 1), True
    return np.concatenate([np.ones((1, m)), rng.choice([-1.0, 1.0], size=(draws, m))]), False


def _tested(values: np.ndarray, exact: bool) -> JointTest:
    """The first value against the others by size; p counts the observed pattern in."""
    size = np.abs(values)
    beyond = size >= size[0] - TIES * max(size[0], 1e-300)
    n = len(values) if exact else len(values) - 1
    hits = int(beyond.sum()) - (0 if exact else 1)
    p = hits / n if exact else (hits + 1) / (n + 1)
    low, high = (p, p) if exact else (float(x) for x in exact_interval(hits, n))
    null = values if exact else values[1:]
    return JointTest(float(values[0]), p, min(low, p), max(high, p), null)
