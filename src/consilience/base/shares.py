"""Monte-Carlo error of a simulated share: what another run might have given."""

from __future__ import annotations

from typing import Any

import numpy as np


def exact_interval(count: Any, n: Any, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Limits of a share of which `count` of `n` independent draws were seen: they hold it at least as often as `level` says.

    Source: Clopper & Pearson (1934), Biometrika 26:404.
    """
    from scipy.special import betaincinv

    seen, of = np.broadcast_arrays(np.asarray(count, float), np.asarray(n, float))
    tail = (1 - level) / 2
    low = np.where(seen > 0, betaincinv(np.maximum(seen, 1), of - seen + 1, tail), 0.0)
    high = np.where(seen < of, betaincinv(seen + 1, np.maximum(of - seen, 1), 1 - tail), 1.0)
    return low, high
