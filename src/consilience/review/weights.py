"""Who carries a pooled mean: the share of its weight that one trial or one marker has."""

from __future__ import annotations

import numpy as np

from ..base.format import number
from ..records import Fit

DOMINANT = 0.5


def row_weights(model: Fit) -> np.ndarray:
    """(k,) weights of a pooled mean, M^-1 1 / 1'M^-1 1 with M = V + tau^2 between trials + tau^2 between effects.

    They sum to one; of correlated effects of unequal precision the less precise can have negative ones.
    """
    effects = model.effects
    variances = dict(zip(model.components.names, model.components.variance, strict=True))
    between = sum(v for name, v in variances.items() if not name.endswith("row"))
    within = sum(v for name, v in variances.items() if name.endswith("row"))
    found = np.empty(effects.k)
    for study in effects.studies:
        rows = effects.study == study
        part = effects.take(rows)
        matrix = part.covariance() + between + within * np.eye(part.k)
        found[rows] = np.linalg.solve(matrix, np.ones(part.k))
    weights: np.ndarray = found / np.sum(found)
    return weights


def dominant(model: Fit) -> str:
    """ "85% of the weight is that of one trial (A)" and the same of a marker; "" if none has more than half of it."""
    weights, effects = row_weights(model), model.effects
    found = []
    for column, word in (("study", "trial"), ("outcome", "marker")):
        labels = effects[column].astype(str)
        names = list(dict.fromkeys(labels.tolist()))
        shares = [float(np.sum(weights[labels == name])) for name in names]
        top = int(np.argmax(shares))
        if len(names) > 1 and round(shares[top], 2) > DOMINANT:
            found.append(
                f"{number(100 * shares[top], 0)}% of the weight is that of one {word} ({names[top]})"
            )
    return " and ".join(found)
