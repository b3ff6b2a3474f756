"""Wild bootstrap, bootstrap, jackknife and calibration: CPU seconds, one thread; the parametric bootstrap beside R's metafor.

    python -m benchmarks.resampling            # prints the table; exit 1 if the bar is missed or an answer is off

The bar: cluster wild bootstrap, 99,999 draws, 200 clusters, under 1 s (ours alone; no R package does it). Its first 300 draws are
repeated by refits with the same signs. R simulates and refits 20 data sets of the parametric bootstrap; its time is scaled
to 1,000, and its answers on 20 of our data sets are compared. Without R that part is left out.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.diagnostics.calibrate import calibrate
from consilience.inference.robust import robust_covariance
from consilience.inference.working import working_of
from consilience.models import (
    bootstrap,
    fit,
    jackknife,
    refit_many,
    simulate,
    wild_bootstrap,
    wild_bootstrap_interval,
)
from consilience.models.wild_bootstrap import TIE, _multipliers, _statistics, _terms
from consilience.records import Block, Design, Effects, Fit, Intercept, Spec

from .univariate import cpu

BAR = 1.0  # seconds
DRAWS, CHECKED = 99_999, 300
REPLICATES, REPLICATES_R = 1_000, 20


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
    x = found.design.matrix
    held = [
        Intercept(t.by, float(v)) for t, v in zip(found.spec.terms, found.components.variance, strict=True)
    ]
    spec = Spec(tuple(held))
    null = fit(found.effects, spec, design=Design(x[:, :1], ("intercept",))).coefficients.estimate[0]
    studies = found.effects.studies
    codes = np.array([studies.index(s) for s in found.effects.study])
    result = []
    for w in signs:
        y = null + w[codes] * (found.effects.y - null)
        made = Effects(y, found.effects.v, found.effects.study, blocks=found.effects.blocks)
        result.append(float(fit(made, spec, design=found.design).coefficients.statistic[1] ** 2))
    return np.array(result)


def wild_is_off(found: Fit) -> bool:
    """Compares the first draws, one by one and in their p-value, with refits of data made by the same signs."""
    m = found.effects.n_studies
    signs = np.concatenate(
        list(_multipliers(np.random.default_rng(1), "rademacher", m=m, replicates=CHECKED))
    )
    robust = robust_covariance(working_of(found))
    c = np.array([[0.0, 1.0]])
    inner, gap = c @ robust.working.root, c @ robust.working.beta
    ours = _statistics(_terms(robust, inner, gap), signs, inner)
    order = np.concatenate([group.rows[:, 0] for group in robust.groups])
    by_study = np.empty_like(signs)
    by_study[:, robust.working.cluster[order]] = signs
    refitted = by_refits(found, by_study)
    off = float(np.max(np.abs(ours / refitted - 1)))
    made = wild_bootstrap(found, c, rng=np.random.default_rng(1), replicates=CHECKED)
    p = (1 + int(np.sum(refitted >= made.statistic * TIE))) / (CHECKED + 1)
    print(
        f"the first {CHECKED} draws by refits: largest relative difference {off:.0e}; "
        f"p {p:.5f}, ours {made.p_value:.5f}"
    )
    return off > 1e-8 or abs(p - made.p_value) > 1e-12


def in_r(found: Fit, draws: np.ndarray) -> tuple[float, np.ndarray] | None:
    """CPU seconds of one replicate, and coefficient, log-likelihood and total variance on each of `draws`."""
    if shutil.which("Rscript") is None:
        return None
    effects = found.effects
    with tempfile.TemporaryDirectory() as folder:
        columns = [effects.y[:, None], effects.covariance()]
        header = ",".join(["study", "yi", *(f"v{i + 1}" for i in range(effects.k))])
        with open(Path(folder, "data.csv"), "w", encoding="utf-8") as file:
            print(header, file=file)
            for label, numbers in zip(effects.study, np.hstack(columns), strict=True):
                print(",".join([f"s{label}", *(f"{x:.17g}" for x in numbers)]), file=file)
        np.savetxt(Path(folder, "draws.csv"), draws, delimiter=",", fmt="%.17g")
        script = Path(__file__).with_suffix(".R")
        subprocess.run(["Rscript", "--vanilla", str(script), folder], check=True)
        with open(Path(folder, "r.csv"), encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    names = ("beta", "loglik", "tau2")
    return float(rows[0]["seconds"]), np.array([[float(row[name]) for name in names] for row in rows])


def beside_r(found: Fit) -> bool:
    """The parametric bootstrap of a model fit, ours and R's; True if an answer is off."""
    seconds = cpu(
        lambda: bootstrap(found, rng=np.random.default_rng(1), replicates=REPLICATES), inner=1, times=5
    )
    draws = simulate(found, n=REPLICATES, rng=np.random.default_rng(1))[:REPLICATES_R]
    other = in_r(found, draws)
    name = f"parametric bootstrap, {REPLICATES:,}, the same"
    if other is None:
        print(f"{name:64s} {seconds:8.3f} s")
        return False
    again = refit_many(found, y=draws)
    each, answers = other
    # R may stop below the highest likelihood, never above ours; where it reaches ours the estimates agree
    short = again.loglik - answers[:, 1]
    reached = short < 1e-8
    off = float(np.max(np.abs(again.estimate[:, 0] - answers[:, 0])[reached]))
    print(
        f"{name:64s} {seconds:8.3f} s; R {each * REPLICATES:.1f} s; ratio {each * REPLICATES / seconds:.0f}\n"
        f"  on {REPLICATES_R} of the data sets: log-likelihood ours minus R's {short.min():.0e} to {short.max():.0e}; "
        f"mean differs by at most {off:.0e} where R reaches ours ({int(reached.sum())})"
    )
    return bool(short.min() < -1e-8 or off > 1e-5 or not reached.any())


def jobs(che: Fit, review: Fit, univariate: Fit) -> dict[str, tuple[Callable[[], object], int]]:
    """What is timed of ours alone -> the call, and how often it is repeated."""
    rng, moderator = np.random.default_rng, np.array([0.0, 1.0])
    return {
        "wild bootstrap, 99,999 draws, 200 clusters": (
            lambda: wild_bootstrap(che, moderator, rng=rng(1), replicates=DRAWS),
            7,
        ),
        "its interval by inversion": (
            lambda: wild_bootstrap_interval(che, moderator, rng=rng(1), replicates=DRAWS),
            3,
        ),
        "parametric bootstrap, 1,999, k = 66, one effect a study": (
            lambda: bootstrap(univariate, rng=rng(1)),
            5,
        ),
        "cluster bootstrap, 1,999, 22 studies, 66 effects, CHE, CR2": (
            lambda: bootstrap(review, kind="cluster", rng=rng(1)),
            3,
        ),
        "jackknife by study, the same": (lambda: jackknife(review), 5),
        "calibration, 1,000 reviews of each kind, the same": (lambda: calibrate(review, rng=rng(1)), 3),
    }


def main() -> int:
    large, design = effects(200, per=4)
    small, _ = effects(22, per=3)
    one_each = Effects(small.y, small.v, np.array([str(i) for i in range(small.k)], dtype=object))
    with one_blas_thread():
        che, review = fit(large, Spec.che(), design=design), fit(small, Spec.che())
        univariate = fit(one_each, Spec.random_effects())
        first = 0.0
        for name, (job, times) in jobs(che, review, univariate).items():
            seconds = cpu(job, inner=1, times=times)
            first = first or seconds
            print(f"{name:64s} {seconds:8.3f} s")
        wrong = beside_r(review)
        wrong |= wild_is_off(che)
    print(f"bar of the wild bootstrap {BAR:g} s: {'kept' if first < BAR else 'missed'}, {first:.3f} s")
    return int(wrong or first >= BAR)


if __name__ == "__main__":
    sys.exit(main())
