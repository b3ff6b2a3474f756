"""Models x corrections x tests of clubSandwich 0.5.8 and robumeta 2.0 (robust_grid.R): counts per model."""

from __future__ import annotations

from robust_grid_data import compare_model

from . import Outcome

TOPIC = "robust_grid"


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    """All numbers of one model to 1e-6."""
    done, wrong = compare_model(case)
    detail = ", ".join(wrong) if wrong else f"{done} quantities"
    return Outcome("differ" if wrong else "agree", detail=detail)
