"""The reference figures of rma.mv, clubSandwich and robumeta through our code (the slow models by `make verify` only)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verify import rma_mv, robust

REFERENCE = Path(__file__).parent / "reference"
SLOW = ("/lim/", "/craft/", "/bakdash/", "/maire/", "ishak/V_UN", "ishak/V_HAR")


def _load(topic: str) -> dict:
    return json.loads((REFERENCE / f"{topic}.json").read_text(encoding="utf-8"))


MULTILEVEL, ROBUST, MORE = _load("rma_mv"), _load("robust"), _load("robust_more")


@pytest.mark.parametrize(
    "case", [c for c in MULTILEVEL["cases"] if not any(s in c["id"] for s in SLOW)], ids=lambda c: c["id"]
)
def test_multilevel_models(case):
    outcome = rma_mv.check(case, MULTILEVEL["datasets"], {})
    assert outcome.status == "agree", outcome.detail


@pytest.mark.parametrize("group", sorted({c["id"].rsplit("/", 1)[0] for c in ROBUST["cases"]}))
def test_robust_inference(group):
    cases = {c["id"]: c for c in ROBUST["cases"]}
    for name, case in cases.items():
        if name.rsplit("/", 1)[0] != group:
            continue
        outcome = robust.check(case, ROBUST["datasets"], cases)
        assert outcome.status == "agree", f"{name}: {outcome.detail}"


@pytest.mark.parametrize("group", sorted({"/".join(c["id"].split("/")[:2]) for c in MORE["cases"]}))
def test_robust_inference_of_more_data_sets(group):
    """Where a cluster is fitted exactly, R inverts a singular matrix: ours must then be the definition ("explained")."""
    cases = {c["id"]: c for c in MORE["cases"]}
    for name, case in cases.items():
        if "/".join(name.split("/")[:2]) == group:
            outcome = robust.check(case, MORE["datasets"], cases)
            assert outcome.status in {"agree", "explained"}, f"{name}: {outcome.detail}"
