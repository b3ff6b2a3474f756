"""Step selection models (one step at .025): R's metafor and ours on the same data in one run; CPU seconds, one thread each.

    python -m benchmarks.selection            # prints the table; exit 1 if our log-likelihood is lower or the answers differ

Ours climbs from five starts, and from three without heterogeneity for the test of tau^2; R from one, without that test's fit
when it is not printed. The fit without selection is made beforehand for both.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from consilience.base.linalg import one_blas_thread
from consilience.diagnostics.selection import selection_model
from consilience.models import fit
from consilience.records import Effects, Spec

from .beside_r import cpu, has_r, run_r, save_columns, timed_answers

BAR = 20
SIZES = (20, 37, 50)


def data() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Published studies of three reviews, seeded; a result that is not significant is published with chance .4."""
    rng = np.random.default_rng(20260707)
    made = {}
    for k in SIZES:
        v = rng.uniform(0.01, 0.1, 20 * k)
        y = rng.normal(0.2, np.sqrt(v + 0.02))
        kept = np.flatnonzero((y > 1.96 * np.sqrt(v)) | (rng.random(len(v)) < 0.4))[:k]
        made[f"k{k}"] = (y[kept], v[kept])
    return made


def ours(made: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple[float, float, float]]:
    """Work -> CPU seconds, log-likelihood and adjusted mean."""
    found = {}
    for name, (y, v) in made.items():
        plain = fit(
            Effects(y, v, np.array([str(i) for i in range(len(y))], dtype=object)),
            Spec.random_effects("ML", "z"),
        )
        model = selection_model(plain)
        seconds = cpu(lambda plain=plain: selection_model(plain), inner=20)
        found[name] = (seconds, model.loglik, float(model.coefficients.estimate[0]))
    return found


def theirs(made: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, tuple[float, float, float]]:
    """The same from R, or nothing where Rscript is absent."""
    if not has_r():
        return {}
    with tempfile.TemporaryDirectory() as folder:
        for name, columns in made.items():
            save_columns(Path(folder, f"{name}.csv"), dict(zip(("yi", "vi"), columns, strict=True)))
        return timed_answers(run_r(__file__, folder))


def main() -> int:
    made = data()
    with one_blas_thread():
        mine = ours(made)
    r, wrong = theirs(made), 0
    print(f"{'work':<10}{'ours, ms':>10}{'R, ms':>10}{'ratio':>8}{'bar':>6}  answers")
    for work, (seconds, loglik, mean) in mine.items():
        if work not in r:
            print(f"{work:<10}{1e3 * seconds:>10.2f}")
            continue
        other, r_loglik, r_mean = r[work]
        better = loglik > r_loglik + 1e-6
        agree = better or (loglik >= r_loglik - 1e-6 and abs(mean - r_mean) <= 1e-3)
        wrong += not agree
        said = "ours is higher" if better else "agree" if agree else f"differ: {mean} against {r_mean}"
        print(f"{work:<10}{1e3 * seconds:>10.2f}{1e3 * other:>10.1f}{other / seconds:>8.1f}{BAR:>6}  {said}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
