"""What is exchanged under a null hypothesis: rows of the design between studies, or signs of the effects."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..base.errors import InputError
from ..base.format import large_count
from ..models.univariate import is_univariate
from ..records import Fit

CELLS, LEAST = 1 << 17, 512  # effects of all arrangements made at once, and the fewest arrangements
MOST = 2_000_000  # arrangements that are ever compared


@dataclass(frozen=True, eq=False)
class Arrangements:
    """The arrangements of m units (studies, or effects where each stands alone).

    unit : (k,) unit of each effect; kind : (m,) units with the same row of the design have the same number.
    signs : flip the effects of a unit instead of moving rows of the design.
    rows : (m,) one effect of each unit; design : (k, p).
    """

    unit: np.ndarray
    kind: np.ndarray
    signs: bool
    rows: np.ndarray
    design: np.ndarray
    unit_name: str

    @property
    def possible(self) -> int:
        """2^m sign flips, or m! / product of n! for n units with the same row."""
        m = len(self.kind)
        if self.signs:
            return int(2**m)
        return math.factorial(m) // math.prod(math.factorial(int(n)) for n in np.bincount(self.kind))

    @property
    def chunk(self) -> int:
        """How many are made at once."""
        return max(LEAST, CELLS // len(self.unit))

    def every(self) -> Iterator[np.ndarray]:
        """All arrangements in chunks (C, m): signs, or the unit whose row each unit gets."""
        total = self.possible
        for start in range(0, total, self.chunk):
            index = np.arange(start, min(start + self.chunk, total))
            yield _signs(index, len(self.kind)) if self.signs else self._unranked(index)

    def some(self, n: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """n random arrangements in chunks."""
        m = len(self.kind)
        for start in range(0, n, self.chunk):
            size = min(self.chunk, n - start)
            if self.signs:
                yield 1.0 - 2.0 * rng.integers(0, 2, (size, m))
            else:
                yield rng.permuted(np.broadcast_to(np.arange(m), (size, m)), axis=1)

    def _unranked(self, index: np.ndarray) -> np.ndarray:
        """(C, m) arrangements by their number in lexical order."""
        counts = np.bincount(self.kind)
        left = np.tile(counts, (len(index), 1))
        each = np.full(len(index), self.possible, dtype=np.int64)
        rest, where = index.astype(np.int64), np.arange(len(index))
        first = np.array([np.flatnonzero(self.kind == g)[0] for g in range(len(counts))])
        out = np.empty((len(index), len(self.kind)), dtype=np.intp)
        for place in range(len(self.kind)):
            block = each[:, None] * left // (len(self.kind) - place)  # arrangements that go on with each kind
            ends = np.cumsum(block, axis=1)
            chosen = (rest[:, None] >= ends).sum(axis=1)
            each = block[where, chosen]
            rest = rest - (ends[where, chosen] - each)
            left[where, chosen] -= 1
            out[:, place] = first[chosen]
        return out

    def effects(self, y: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """(C, k) effects of the arrangements."""
        return y * chosen[:, self.unit] if self.signs else np.broadcast_to(y, (len(chosen), len(y)))

    def designs(self, chosen: np.ndarray) -> np.ndarray:
        """(C, k, p) designs of the arrangements, or the one (k, p)."""
        return self.design if self.signs else self.design[self.rows[chosen[:, self.unit]]]


def _signs(index: np.ndarray, m: int) -> np.ndarray:
    return np.asarray(1.0 - 2.0 * ((index[:, None] >> np.arange(m)) & 1))


def arrangements_of(fit: Fit) -> Arrangements:
    """What is exchangeable in a fit: effects where they are independent, else the clusters of its spec.

    Raises InputError ``moderator-within-study`` where a moderator varies within a cluster.
    """
    alone, x = is_univariate(fit.effects, fit.spec), fit.design.matrix
    if alone:
        unit = np.arange(fit.effects.k)
    else:
        labels = fit.effects[fit.spec.cluster].astype(str)
        unit = np.unique(labels, return_inverse=True)[1]
    rows = np.unique(unit, return_index=True)[1]
    signs = x.shape[1] == 1 and bool((x == 1).all())
    varies = (x != x[rows[unit]]).any(axis=0)
    if varies.any():
        names = ", ".join(f'"{fit.design.names[j]}"' for j in np.flatnonzero(varies))
        raise InputError(
            f"The moderator {names} varies within a {fit.spec.cluster}; only what is the same for all effects of a "
            f"{fit.spec.cluster} can be exchanged between them.",
            code="moderator-within-study",
            advice="Test it by the cluster wild bootstrap, or replace it by its mean in each study.",
        )
    kind = np.unique(x[rows], axis=0, return_inverse=True)[1].ravel()
    return Arrangements(unit, kind, signs, rows, x, "effect" if alone else fit.spec.cluster)


def compared(
    arrangements: Arrangements, *, exact: bool | None, iterations: int, rng: np.random.Generator | None
) -> tuple[Iterator[np.ndarray], int, bool]:
    """Chunks of arrangements, how many in all, and whether they are all there are.

    Raises InputError ``too-many-arrangements``, ``iterations`` and ``rng-needed``.
    """
    total = arrangements.possible
    every = total <= iterations if exact is None else exact
    if every and total > MOST:
        raise InputError(
            f"There are {large_count(total)} arrangements; at most {MOST:,} can all be compared.",
            code="too-many-arrangements",
            advice="Leave `exact` out and pass a generator: a random part of them is compared.",
        )
    if every:
        return arrangements.every(), total, True
    if not 1 <= iterations <= MOST:
        raise InputError(f"{iterations} iterations; allowed are 1 to {MOST:,}.", code="iterations")
    if rng is None:
        raise InputError(
            f"There are {large_count(total)} arrangements, more than {iterations:,}: a random part of them needs a generator.",
            code="rng-needed",
            advice="Pass rng=numpy.random.default_rng(seed).",
        )
    return arrangements.some(iterations, rng), iterations, False


def seed_of(rng: np.random.Generator | None) -> int | None:
    """The seed that a generator was made from, if it is a single number."""
    sequence = None if rng is None else getattr(rng.bit_generator, "seed_seq", None)
    entropy = getattr(sequence, "entropy", None)
    return entropy if isinstance(entropy, int) else None
