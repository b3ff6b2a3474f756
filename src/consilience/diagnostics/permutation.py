"""Permutation tests of moderators and of a mean.

If the moderators have nothing to do with the effects, every assignment of their rows to studies is as likely as the
observed one; if the true effects are symmetric about zero, so is every choice of signs. The model is refitted, with its
variance components, to each arrangement.

Source: Follmann & Proschan (1999), Biometrics 55:732 (signs); Higgins & Thompson (2004), Stat Med 23:1663 (moderators);
Phipson & Smyth (2010), Stat Appl Genet Mol Biol 9:39 (the observed data count among random arrangements); Clopper &
Pearson (1934), Biometrika 26:404 (interval of the p-value).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..base.distributions import beta_ppf
from ..base.options import choose
from ..inference.knapp_hartung import moderators, tested_covariance
from ..likelihood.batch import fit_batch
from ..likelihood.batch_fit import BatchFit
from ..likelihood.prepare import Rearranged
from ..models.refit import refit_many, univariate_batch
from ..models.univariate import is_univariate, weights_of_spec
from ..records import Fit, Intercept, PermutationTest
from ..records.permutation import Alternative, Statistic
from .arrangements import Arrangements, arrangements_of, compared, seed_of

Progress = Callable[[str, int, int], None]
ALTERNATIVES = ("two-sided", "two-sided-doubled", "greater", "less")
STATISTICS = ("test", "coefficient")
TIES = 1.5e-8  # statistics nearer than this to the observed one, relative to it (at least 1, or one SE), are ties


@dataclass(frozen=True, eq=False)
class Values:
    """Statistics of N arrangements: `each` (N, p), `omnibus` (N,) and `se` (N, p) of the coefficients."""

    each: np.ndarray
    omnibus: np.ndarray
    se: np.ndarray

    def split(self) -> tuple[Values, Values]:
        """The first arrangement, and the others."""
        head, tail = (Values(self.each[s], self.omnibus[s], self.se[s]) for s in (slice(1), slice(1, None)))
        return head, tail


def permutation_test(
    fit: Fit,
    *,
    exact: bool | None = None,
    iterations: int | None = None,
    rng: np.random.Generator | None = None,
    alternative: Alternative = "two-sided",
    statistic: Statistic = "test",
    progress: Progress | None = None,
) -> PermutationTest:
    """Permutation test of every coefficient and of all moderators together.

    Rows of the design move between effects (in models of dependent effects: between clusters, whose moderators must be
    constant); without moderators the signs of the effects are flipped. With b of N arrangements at least as extreme,
    p = b / N where all were compared and (b + 1) / (N + 1) for N random ones.

    Parameters
    ----------
    exact : compare all arrangements; None = if there are no more than `iterations`.
    iterations : number of random arrangements; None = 9,999, or 999 for models of dependent effects.
    rng : source of randomness, needed unless all arrangements are compared.
    alternative : ``"two-sided"`` counts larger absolute values, ``"two-sided-doubled"`` doubles the smaller tail. The
        omnibus test counts larger values whatever the alternative.
    statistic : the test statistic of the fit's spec (z or t), or the bare coefficient.
    progress : called with (stage, done, total).

    Raises
    ------
    InputError ``moderator-within-study``, ``too-many-arrangements``, ``iterations``, ``rng-needed``; OptionError for an
    unknown choice.

    Source: see the module.
    """
    choose(alternative, ALTERNATIVES, what="Alternative")
    choose(statistic, STATISTICS, what="Statistic")
    setup = arrangements_of(fit)
    most = iterations if iterations is not None else (9_999 if setup.unit_name == "effect" else 999)
    seed = seed_of(rng)
    chunks, total, every = compared(setup, exact=exact, iterations=most, rng=rng)
    parts: list[Values] = []
    done = -1  # the observed arrangement is the first
    for chosen in _after(_identity(setup), chunks):
        parts.append(statistics_of(fit, setup, chosen, statistic=statistic))
        done += len(chosen)
        if progress is not None:
            progress("Permutations", done, total)
    observed, parts[0] = parts[0].split()
    each = np.concatenate([part.each for part in parts])
    omnibus = np.concatenate([part.omnibus for part in parts])
    unit = np.ones(each.shape[1]) if statistic == "test" else observed.se[0]
    slack = slack_of(observed.each[0], unit)
    p = p_values(counts(each, observed.each[0], slack, alternative), total, every, alternative)
    joint = counts(omnibus[:, None], observed.omnibus, slack_of(observed.omnibus, 1.0), "greater")
    return PermutationTest(
        names=fit.coefficients.names,
        observed=observed.each[0],
        p_value=p[0],
        mc_se=p[1],
        p_low=p[2],
        p_high=p[3],
        omnibus=np.concatenate([observed.omnibus, *p_values(joint, total, every, "greater")]),
        distribution=each,
        arranged="signs" if setup.signs else "moderators",
        unit=setup.unit_name,
        possible=setup.possible,
        exact=every,
        statistic=statistic,
        alternative=alternative,
        seed=None if every else seed,
    )


def _after(first: np.ndarray, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """The chunks, with rows before those of the first one."""
    yield np.concatenate([first, next(chunks)])
    yield from chunks


def _identity(setup: Arrangements) -> np.ndarray:
    m = len(setup.kind)
    return np.ones((1, m)) if setup.signs else np.arange(m)[None]


def statistics_of(
    fit: Fit, setup: Arrangements, chosen: np.ndarray, *, statistic: str, y: np.ndarray | None = None
) -> Values:
    """Refits to the arrangements `chosen` (N, m) of the effects `y` (k,), None = those of the fit."""
    base = fit.effects.y if y is None else y
    if is_univariate(fit.effects, fit.spec) and fit.spec.scale is None:
        batch = _batch(fit, setup, chosen, base)
        estimate, covariance = batch.coefficients, tested_covariance(batch, test=fit.spec.test)[0]
    else:
        effects, x = setup.effects(base, chosen), setup.designs(chosen)
        found = refit_many(fit, y=effects, x=x if x.ndim == 3 else None)
        estimate, covariance = found.estimate, found.covariance
    se = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    with np.errstate(divide="ignore", invalid="ignore"):
        each = estimate if statistic == "coefficient" else estimate / se
    return Values(each, _omnibus(fit, estimate, covariance), se)


def _batch(fit: Fit, setup: Arrangements, chosen: np.ndarray, y: np.ndarray) -> BatchFit:
    """A model with one effect per study, fitted to all arrangements at once."""
    spec = fit.spec
    if setup.signs:
        every = np.ones((1, fit.effects.k), dtype=bool)
        return univariate_batch(fit, every, setup.effects(y, chosen), setup.design)
    given = spec.terms[0].variance if spec.terms and isinstance(spec.terms[0], Intercept) else None
    return fit_batch(
        y,
        fit.effects.v,
        Rearranged(setup.design, setup.rows[chosen[:, setup.unit]]),
        method=spec.method if spec.terms else "EE",
        weights=weights_of_spec(fit.effects, spec),
        tau2=given,
    )


def _omnibus(fit: Fit, estimate: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """(N,) Wald statistic of all moderators, divided by their number."""
    tested = moderators(fit.design.matrix)
    gap = estimate[:, tested]
    if len(tested) == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(gap[:, 0] ** 2 / covariance[:, tested[0], tested[0]])
    inner = covariance[:, tested[:, None], tested]
    result = np.full(len(gap), np.nan)
    usable = np.isfinite(inner).all(axis=(1, 2))
    solved = np.linalg.solve(inner[usable], gap[usable][..., None])[..., 0]
    result[usable] = (gap[usable] * solved).sum(axis=1) / len(tested)
    return result


def slack_of(observed: np.ndarray, unit: np.ndarray | float) -> np.ndarray:
    """By how much a statistic may fall short and still count as equal; an infinite one is equal to itself only."""
    return np.where(np.isfinite(observed), TIES * np.maximum(np.abs(observed), unit), 0.0)


def counts(values: np.ndarray, observed: np.ndarray, slack: np.ndarray, alternative: str) -> np.ndarray:
    """(p,) arrangements at least as extreme as the observed one; NaN counts as extreme."""
    if alternative == "two-sided":
        extreme = ~(np.abs(values) < np.abs(observed) - slack)
    elif alternative == "greater":
        extreme = ~(values < observed - slack)
    elif alternative == "less":
        extreme = ~(values > observed + slack)
    else:
        tails = [counts(values, observed, slack, tail) for tail in ("greater", "less")]
        return np.asarray(np.minimum(*tails))
    return np.asarray(extreme.sum(axis=0))


def p_values(
    extreme: np.ndarray, total: int, every: bool, alternative: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """p, its Monte-Carlo standard error and 95% interval, each (p,)."""
    factor = 2.0 if alternative == "two-sided-doubled" else 1.0
    if every:
        p = np.minimum(1.0, factor * extreme / total)
        return p, np.zeros(len(p)), p, p
    p = np.minimum(1.0, factor * (extreme + 1) / (total + 1))
    share = extreme / total
    low = np.where(extreme > 0, beta_ppf(0.025, np.maximum(extreme, 1), total - extreme + 1), 0.0)
    high = np.where(extreme < total, beta_ppf(0.975, extreme + 1, np.maximum(total - extreme, 1)), 1.0)
    se = factor * np.sqrt(np.maximum(share * (1 - share), 0.0) / total)
    return p, se, np.minimum(1.0, factor * low), np.minimum(1.0, factor * high)
