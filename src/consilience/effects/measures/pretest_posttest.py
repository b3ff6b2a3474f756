"""Two groups before and after: pretest-posttest-control g and the log ratio of ratios (METHODS F1, F8)."""

from __future__ import annotations

import numpy as np

from ..arrays import only
from ..ppc import VarianceKind, ppc_g, ppc_variance
from .means import log_mean_ratio
from .measure import Inputs, Options, Pair


def _change(inputs: Inputs, group: str) -> np.ndarray:
    return np.asarray(inputs[f"post{group}"] - inputs[f"pre{group}"])


def controlled_g(inputs: Inputs, options: Options) -> Pair:
    """g of change in units of the pooled SD before; `r` is the correlation of the two times in both groups."""
    n1, n2 = inputs["n1"], inputs["n2"]
    y = ppc_g(
        _change(inputs, "1"), _change(inputs, "2"), sd_t=inputs["sd1"], sd_c=inputs["sd2"], n_t=n1, n_c=n2
    )
    k = 2 * (1 - inputs["r"]) * (1 / n1 + 1 / n2)
    kind: VarianceKind = "large-sample" if options.vtype == "LS" else "morris"
    v = ppc_variance(y, k, n1 + n2, variance=kind)
    return y, only(v > 0, v)


def ratio_of_ratios(inputs: Inputs, options: Options) -> Pair:
    """ln(post1/pre1) - ln(post2/pre2); arithmetic means, variance by the delta method."""
    y = log_mean_ratio(inputs["post1"], inputs["pre1"]) - log_mean_ratio(inputs["post2"], inputs["pre2"])
    v = sum(_group_variance(inputs, group) for group in ("1", "2"))
    return y, np.asarray(v)


def _group_variance(inputs: Inputs, group: str) -> np.ndarray:
    """s1^2/(n m1^2) + s0^2/(n m0^2) - 2 r s1 s0/(n m1 m0)."""
    before = inputs[f"sd{group}"] / inputs[f"pre{group}"]
    after = inputs[f"sdpost{group}"] / inputs[f"post{group}"]
    return np.asarray((before**2 + after**2 - 2 * inputs["r"] * before * after) / inputs[f"n{group}"])
