"""Wild bootstrap, bootstrap, jackknife and calibration: CPU seconds of ours alone, one thread (no R package of these is compared).

    python -m benchmarks.resampling            # prints the table; exit 1 if the bar is missed or an answer is off

The bar: cluster wild bootstrap, 99,999 draws, 200 clusters, under 1 s. Its p-value is compared with that of refits.
"""

from __future__ import annotations

import sys

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.diagnostics.calibrate import calibrate
from consilience.models import bootstrap, fit, jackknife, wild_bootstrap, wild_bootstrap_interval
from consilience.records import Block, Design, Effects, Fit, Intercept, Spec

from .univariate import cpu

BAR = 1.0
DRAWS, CHECKED = 99_999, 200


def effects(studies: int, *, per: int, seed: int = 1) -> tuple[Effects, Design]:
    """`per` effects a study, correlated .6 by sampling, and a moderator of the study."""
    rng = np.random.default_rng(seed)
    study = np.repeat(np.arange(studies), per)
    k = len(study)
    v = rng.uniform(0.02, 0.1, k)
    x = rng.normal(size=studies)[study]
    blocks = []
    for j in range(studies):
        rows = np.arange(j * per, (j + 1) * per)
        matrix = 0.6 * np.sqrt(np.outer(v[rows], v[rows]))
        np.fill_diagonal(matrix, v[rows])
        blocks.append(Block(rows, matrix))
    y = 0.2 + 0.05 * x + rng.normal(0, 0.3, studies)[study] + rng.normal(0, np.sqrt(v + 0.04))
    design = Design(np.column_stack([np.ones(k), x]), ("intercept", "x"))
    return Effects(y, v, study.astype(str).astype(object), blocks=tuple(blocks)), design


def by_refits(found: Fit, signs: np.ndarray) -> np.ndarray:
    """The squared robust t of the moderator in data sets made by `signs` (R, m), each refitted with its variances held."""
    x, beta = found.design.matrix, found.coefficients.estimate
    held = [
        Intercept(t.by, float(v))  # type: ignore[union-attr]
        for t, v in zip(found.spec.terms, found.components.variance, strict=True)
    ]
    spec = Spec(tuple(held))
    null = fit(found.effects, spec, design=Design(x[:, :1], ("intercept",))).coefficients.estimate[0]
    assert len(beta) == 2
    studies = found.effects.studies
    codes = np.array([studies.index(s) for s in found.effects.study])
    result = []
    for w in signs:
        y = null + w[codes] * (found.effects.y - null)
        made = Effects(y, found.effects.v, found.effects.study, blocks=found.effects.blocks)
        result.append(float(fit(made, spec, design=found.design).coefficients.statistic[1] ** 2))
    return np.array(result)


def main() -> int:
    rng = np.random.default_rng
    large, design = effects(200, per=4)
    small, _ = effects(22, per=3)
    with one_blas_thread():
        che, review = fit(large, Spec.che(), design=design), fit(small, Spec.che())
        one_each = Effects(small.y, small.v, np.array([str(i) for i in range(small.k)], dtype=object))
        univariate = fit(one_each, Spec.random_effects())
        made = wild_bootstrap(che, [0, 1], rng=rng(1), replicates=DRAWS)
        refitted = by_refits(che, 2.0 * rng(2).integers(0, 2, (CHECKED, 200)) - 1.0)
        rows = {
            "wild bootstrap, 99,999 draws, 200 clusters": cpu(
                lambda: wild_bootstrap(che, [0, 1], rng=rng(1), replicates=DRAWS), inner=1, times=5
            ),
            "its interval by inversion": cpu(
                lambda: wild_bootstrap_interval(che, [0, 1], rng=rng(1), replicates=DRAWS), inner=1, times=3
            ),
            "parametric bootstrap, 1,999, k = 66, one effect a study": cpu(
                lambda: bootstrap(univariate, rng=rng(1)), inner=1, times=3
            ),
            "parametric bootstrap, 1,999, 22 studies, 66 effects, CHE, CR2": cpu(
                lambda: bootstrap(review, rng=rng(1)), inner=1, times=1
            ),
            "cluster bootstrap, the same": cpu(
                lambda: bootstrap(review, kind="cluster", rng=rng(1)), inner=1, times=1
            ),
            "jackknife by study, the same": cpu(lambda: jackknife(review), inner=1, times=3),
            "calibration, 1,000 reviews of each kind, the same": cpu(
                lambda: calibrate(review, rng=rng(1)), inner=1, times=1
            ),
        }
    for name, seconds in rows.items():
        print(f"{name:64s} {seconds:8.3f} s")
    share = float(np.mean(refitted >= made.statistic * (1 - 1e-9)))
    error = 4 * np.sqrt(max(made.p_value * (1 - made.p_value), 1e-4) / CHECKED)
    print(f"p {made.p_value:.5f} [{made.p_low:.5f}, {made.p_high:.5f}]; by {CHECKED} refits {share:.3f}")
    seconds = next(iter(rows.values()))
    print(f"bar {BAR} s: {'kept' if seconds < BAR else 'missed'} ({BAR / seconds:.1f} times faster)")
    return int(seconds >= BAR or abs(share - made.p_value) > error)


if __name__ == "__main__":
    sys.exit(main())
