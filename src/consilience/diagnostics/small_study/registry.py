"""The tests of funnel-plot asymmetry, their predictors and their models: choices as data.

Each regression test is: effects and working variances (`response`), a measure of size (`predictor`) and a model.
A user may set the predictor and the model apart from the test; the names below are the combinations of the literature.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from ...base.options import choose
from ...records import Intercept, Spec
from ...records.spec import Estimator, Test
from .binary import (
    arcsine_difference,
    equal_odds_variance,
    harbord_scores,
    hypergeometric_deviates,
    inverse_size,
    log_odds,
)
from .rank import standardised_deviates
from .studies import Studies

Pair = tuple[np.ndarray, np.ndarray]
Model = Literal["wls", "equal", "additive", "sandwich", "multilevel", "che"]


@dataclass(frozen=True)
class Predictor:
    """A measure of the size of a study; at_zero : is zero an infinitely large study?"""

    title: str
    values: Callable[[Studies], np.ndarray]
    at_zero: bool


PREDICTORS: Mapping[str, Predictor] = {
    "se": Predictor("standard error", lambda s: np.sqrt(s.v), True),
    "variance": Predictor("sampling variance", lambda s: s.v, True),
    "n": Predictor("sample size", lambda s: s.size(), False),
    "1/n": Predictor("1 / sample size", lambda s: 1 / s.size(), True),
    "sqrt-n": Predictor("square root of the sample size", lambda s: np.sqrt(s.size()), False),
    "1/sqrt-n": Predictor("1 / square root of the sample size", lambda s: 1 / np.sqrt(s.size()), True),
    "arms": Predictor("sqrt(1/n1 + 1/n2)", lambda s: np.sqrt(1 / s.arms()[0] + 1 / s.arms()[1]), True),
}

MODEL_WORDS: Mapping[str, str] = {
    "wls": "weighted least squares, weights 1/v times an estimated dispersion",
    "equal": "equal effects, weights 1/v",
    "additive": "mixed effects, weights 1/(v + τ²)",
    "sandwich": "weighted least squares with correlated-effects weights, cluster-robust (CR2)",
    "multilevel": "random effects of studies and of effects, model-based standard errors",
    "che": "correlated and hierarchical effects, cluster-robust (CR2)",
}
ESTIMATORS: tuple[Estimator, ...] = get_args(Estimator)
TESTS: tuple[Test, ...] = get_args(Test)
DEPENDENT = ("sandwich", "multilevel", "che")
NESTED = (Intercept(("study",)), Intercept(("study", "row")))


def spec_of(model: str, *, method: str, reference: str, level: float) -> Spec:
    """The spec behind the name of a model; `method` and `reference` are for ``"additive"`` only."""
    estimator = choose(method, ESTIMATORS, what="Estimator")
    test = choose(reference, TESTS, what="Reference")
    specs = {
        "wls": Spec.equal_effects("knapp-hartung", level=level),
        "equal": Spec.equal_effects("z", level=level),
        "additive": Spec((Intercept(("row",)),), estimator, test, level=level),
        "sandwich": Spec.correlated(level=level),
        "multilevel": Spec(NESTED, "REML", "t", level=level),
        "che": Spec.che(level=level),
    }
    return specs[model]


@dataclass(frozen=True)
class Rule:
    """One test.

    response : studies -> effects and working variances; None = as given.
    deviates : studies -> the two (F, K) columns whose ranks are correlated (rank tests only).
    reference : distribution of the statistic of ``"additive"``: ``"z"``, ``"t"`` or ``"knapp-hartung"``.
    """

    title: str
    source: str
    model: Model | Literal["rank"]
    predictor: str = "se"
    response: Callable[[Studies], Pair] | None = None
    reference: str = "z"
    deviates: Callable[[Studies], Pair] | None = None


def _begg(studies: Studies) -> Pair:
    return standardised_deviates(studies.y, studies.v), studies.v


def _arcsine_begg(studies: Studies) -> Pair:
    y, v = arcsine_difference(studies)
    return standardised_deviates(y, v), v


_PR = "Pustejovsky & Rodgers (2019), Res Synth Methods 10:57"
_RP = "Rodgers & Pustejovsky (2021), Psychol Methods 26:141"
_PT = "Pustejovsky & Tipton (2022), Prev Sci 23:425"
_RUECKER = "Rücker, Schwarzer & Carpenter (2008), Stat Med 27:746"

ASYMMETRY_TESTS: Mapping[str, Rule] = {
    "egger": Rule("Egger's regression", "Egger et al. (1997), BMJ 315:629", "wls"),
    "egger-mixed": Rule(
        "Egger's regression with mixed effects",
        "Sterne & Egger (2005), in Rothstein et al., ch. 6",
        "additive",
    ),
    "thompson-sharp": Rule(
        "Thompson and Sharp's regression",
        "Thompson & Sharp (1999), Stat Med 18:2693, (3b)",
        "additive",
        reference="t",
    ),
    "begg": Rule(
        "Begg and Mazumdar's rank correlation",
        "Begg & Mazumdar (1994), Biometrics 50:1088",
        "rank",
        deviates=_begg,
    ),
    "pustejovsky-rodgers": Rule(
        "Egger's regression on the arm sizes", _PR, "additive", "arms", reference="knapp-hartung"
    ),
    "harbord": Rule(
        "Harbord's score test",
        "Harbord, Egger & Sterne (2006), Stat Med 25:3443",
        "wls",
        response=harbord_scores,
    ),
    "peters": Rule(
        "Peters' regression", "Peters et al. (2006), JAMA 295:676", "wls", "1/n", response=equal_odds_variance
    ),
    "macaskill": Rule(
        "Macaskill's regression",
        "Macaskill, Walter & Irwig (2001), Stat Med 20:641",
        "wls",
        "n",
        response=log_odds,
    ),
    "macaskill-pooled": Rule(
        "Macaskill's regression with pooled variances",
        "Macaskill, Walter & Irwig (2001), Stat Med 20:641",
        "wls",
        "n",
        response=equal_odds_variance,
    ),
    "deeks": Rule(
        "Deeks' regression",
        "Deeks, Macaskill & Irwig (2005), J Clin Epidemiol 58:882",
        "wls",
        response=inverse_size,
    ),
    "schwarzer": Rule(
        "Schwarzer's rank correlation of counts",
        "Schwarzer, Antes & Schumacher (2007), Stat Med 26:721",
        "rank",
        deviates=hypergeometric_deviates,
    ),
    "arcsine-egger": Rule(
        "Egger's regression of arcsine differences", _RUECKER, "wls", response=arcsine_difference
    ),
    "arcsine-thompson": Rule(
        "Thompson and Sharp's regression of arcsine differences",
        _RUECKER,
        "additive",
        response=arcsine_difference,
        reference="t",
    ),
    "arcsine-begg": Rule("Rank correlation of arcsine differences", _RUECKER, "rank", deviates=_arcsine_begg),
    "egger-sandwich": Rule("Egger's regression, cluster-robust", _RP, "sandwich"),
    "egger-multilevel": Rule("Egger's regression, multilevel", _RP, "multilevel"),
    "egger-che": Rule("Egger's regression in the CHE model", _PT, "che"),
    "pustejovsky-rodgers-sandwich": Rule(
        "Egger's regression on the arm sizes, cluster-robust", _RP, "sandwich", "arms"
    ),
    "pustejovsky-rodgers-multilevel": Rule(
        "Egger's regression on the arm sizes, multilevel", _RP, "multilevel", "arms"
    ),
    "pustejovsky-rodgers-che": Rule(
        "Egger's regression on the arm sizes in the CHE model", _RP, "che", "arms"
    ),
}
