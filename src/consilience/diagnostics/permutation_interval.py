"""Confidence intervals by inverting the permutation test of a coefficient."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.options import choose
from ..records import Fit, PermutationInterval
from .arrangements import Arrangements, arrangements_of, compared, seed_of
from .permutation import TIES, statistics_of

STRETCHES, HALVINGS = 40, 60
WIDE = 1.4  # by which the distance from the estimate grows until a value is rejected


@dataclass(frozen=True, eq=False)
class _Inversion:
    """A coefficient j of a fit and the arrangements (N, m) that its tests are compared with.

    most : number of extreme arrangements up to which a value is rejected.
    """

    fit: Fit
    setup: Arrangements
    chosen: np.ndarray
    j: int
    most: int

    def extreme(self, value: float, rows: np.ndarray) -> np.ndarray:
        """Which of the arrangements `rows` are at least as extreme as the data, if the coefficient is `value`."""
        y = self.fit.effects.y - value * self.fit.design.matrix[:, self.j]
        m = len(self.setup.kind)
        same = np.ones((1, m)) if self.setup.signs else np.arange(m)[None]
        chosen = np.concatenate([same, self.chosen[rows]])
        t = np.abs(statistics_of(self.fit, self.setup, chosen, statistic="test", y=y).each[:, self.j])
        return np.asarray(~(t[1:] < t[0] - TIES * max(t[0], 1.0)))

    def limit(self, side: float) -> float:
        """The end of the values not rejected on one side of the estimate; infinite if none is rejected."""
        c = self.fit.coefficients
        every = np.arange(len(self.chosen))
        inside, step = float(c.estimate[self.j]), float(c.se[self.j])
        held = self.extreme(inside, every)
        for _ in range(STRETCHES):
            outside = float(c.estimate[self.j]) + side * step
            found = self.extreme(outside, every)
            if found.sum() <= self.most:
                return self._between((inside, held), (outside, found), abs(step))
            inside, held, step = outside, found, step * WIDE
        return side * np.inf

    def _between(
        self, inside: tuple[float, np.ndarray], outside: tuple[float, np.ndarray], width: float
    ) -> float:
        """Halve the stretch in which the test begins to reject; only arrangements that differ at its ends are refitted."""
        (low, held), (high, found) = inside, outside
        for _ in range(HALVINGS):
            if abs(high - low) <= 1e-12 * width:
                break
            middle = 0.5 * (low + high)
            rows = np.flatnonzero(held != found)
            now = held.copy()
            now[rows] = self.extreme(middle, rows)
            if now.sum() <= self.most:
                high, found = middle, now
            else:
                low, held = middle, now
        return 0.5 * (low + high)


def permutation_interval(
    fit: Fit,
    coefficient: str = "",
    *,
    exact: bool | None = None,
    iterations: int = 1_999,
    rng: np.random.Generator | None = None,
    level: float | None = None,
) -> PermutationInterval:
    """Values of a coefficient that the two-sided permutation test does not reject: p > 1 - level.

    To test a value, it is taken from the effects (y - value x_j) and the coefficient of what is left is tested; all
    values are compared with the same arrangements. The limit is the nearest to the estimate at which the test begins to
    reject, to 12 digits of the interval's width.

    Parameters
    ----------
    coefficient : name; "" = the last one. exact, iterations, rng : as for `permutation_test`.
    level : None = that of the fit.

    Raises
    ------
    OptionError for an unknown coefficient; InputError as `permutation_test`.

    Source: Higgins & Thompson (2004), Stat Med 23:1663; Follmann & Proschan (1999), Biometrics 55:732.
    """
    names = fit.coefficients.names
    j = names.index(choose(coefficient, names, what="Coefficient") if coefficient else names[-1])
    setup, level = arrangements_of(fit), fit.spec.level if level is None else level
    seed = seed_of(rng)
    chunks, total, every = compared(setup, exact=exact, iterations=iterations, rng=rng)
    chosen = np.concatenate(list(chunks))
    # exact: reject if b / N <= alpha; random: if (b + 1) / (N + 1) <= alpha
    alpha = 1 - level
    most = (
        int(np.floor(alpha * total * (1 + 1e-12)))
        if every
        else int(np.floor(alpha * (total + 1) * (1 + 1e-12))) - 1
    )
    least = 2 if every and setup.signs else (1 if every else 0)
    reason, low, high = "", -np.inf, np.inf
    if most < least:
        smallest = (least if every else 1) / (total if every else total + 1)
        reason = f"no p-value of these arrangements can be below {smallest:.3g}"
    else:
        inversion = _Inversion(fit, setup, chosen, j, most)
        low, high = inversion.limit(-1.0), inversion.limit(1.0)
        if np.isinf(low) or np.isinf(high):
            reason = "no value on that side is rejected"
    return PermutationInterval(
        name=names[j],
        estimate=float(fit.coefficients.estimate[j]),
        low=low,
        high=high,
        level=level,
        exact=every,
        iterations=total,
        unit=setup.unit_name,
        reason=reason,
        seed=None if every else seed,
    )
