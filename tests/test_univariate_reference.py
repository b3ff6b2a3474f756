"""Every reference case of one effect per study, and where R differs from us, who is right."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

from exact_reml import coefficients, log_likelihood, q_statistic

sys.path.insert(0, str(Path(__file__).parent))

from consilience.likelihood.batch import fit_batch
from consilience.models import fit, predict
from consilience.records import Design, Effects, Spec
from verify import glmm_mh_peto, rma_uni

REFERENCE = Path(__file__).parent / "reference"


def content(name: str) -> tuple[dict, dict]:
    read = json.loads((REFERENCE / f"{name}.json").read_text(encoding="utf-8"))
    return {case["id"]: case for case in read["cases"]}, read["datasets"]


@pytest.mark.parametrize("topic", ["rma_uni_tight", "rma_uni"])
def test_every_case_agrees(topic: str) -> None:
    cases, datasets = content(topic)
    outcomes = {name: rma_uni.check(case, datasets, cases) for name, case in cases.items()}
    assert {name: o.detail for name, o in outcomes.items() if o.status != "agree"} == {}


def test_mantel_haenszel_and_peto_agree() -> None:
    cases, datasets = content("glmm_mh_peto")
    outcomes = {name: glmm_mh_peto.check(case, datasets, cases) for name, case in cases.items()}
    assert {name: o.detail for name, o in outcomes.items() if o.status == "differ"} == {}
    covered = [name for name, o in outcomes.items() if o.status == "agree"]
    assert {name for name in cases if name.startswith(("mh/", "peto/"))} == set(covered)


def test_location_scale_cases_agree() -> None:
    cases, datasets = content("convert_misc")
    chosen = {
        name: case for name, case in cases.items() if "scale" in case["call"] and "rma(" in case["call"]
    }
    assert len(chosen) == 14
    outcomes = {name: rma_uni.check_location_scale(case, datasets, cases) for name, case in chosen.items()}
    assert {name: o.detail for name, o in outcomes.items() if o.status != "agree"} == {}


def columns(name: str, *wanted: str) -> list[np.ndarray]:
    data = content("rma_uni")[1][name]
    return [np.array([np.nan if x is None else x for x in data[key]], dtype=float) for key in wanted]


def test_without_a_constant_r_centres_the_effects_and_we_do_not() -> None:
    """DIFFERENCES.md, "no intercept": R's Q is that of y - mean(y); ours is y'Py at 50 digits, and likelier."""
    y, v, x = columns("bcg_RR", "yi", "vi", "x")
    out = content("rma_uni")[0]["variant/bcg_RR/no_intercept_x"]["out"]
    ours = fit_batch(y, v, x[:, None])
    exact = q_statistic(y, v, x[:, None], 0)
    assert float(ours.q[0]) == pytest.approx(float(exact), rel=1e-12)
    assert float(q_statistic(y - y.mean(), v, x[:, None], 0)) == pytest.approx(out["QE"], rel=1e-12)
    higher = log_likelihood(y, v, x[:, None], float(ours.tau2[0]), reml=True)
    assert higher > log_likelihood(y, v, x[:, None], out["tau2"], reml=True) + 1


def test_nearly_collinear_columns_cost_r_its_digits() -> None:
    """DIFFERENCES.md, "year and year squared": a limit of R is off by 4e-4 relative, ours by less than 1e-9."""
    y, v, x = columns("hackshaw1998", "yi", "vi", "x")
    out = content("rma_uni")[0]["variant/hackshaw1998/x_poly2"]["out"]
    matrix = np.column_stack([np.ones(len(x)), x, x**2])
    design = Design(matrix, ("a", "b", "c"))
    effects = Effects(y, v, np.arange(len(y)).astype(object))
    spec = Spec.random_effects(test="z")
    terms = (type(spec.terms[0])(("row",), out["tau2"]),)
    ours = predict(fit(effects, Spec(terms, test="z"), design=design), matrix)
    with mp.workdps(50):
        b, _ = coefficients(y, v, matrix, out["tau2"])
        d = mp.matrix(matrix.tolist())
        w = mp.diag([1 / (mp.mpf(float(a)) + mp.mpf(out["tau2"])) for a in v])
        inverse = (d.T * w * d) ** -1
        z = mp.sqrt(2) * mp.erfinv(mp.mpf("0.95"))
        for i in (0, 5, 11):
            mean = sum(d[i, j] * b[j] for j in range(3))
            low = float(mean - z * mp.sqrt((d[i, :] * inverse * d[i, :].T)[0]))
            assert float(ours.ci_low[i]) == pytest.approx(low, rel=1e-7)
            assert out["predict"]["ci_lb"][i] != pytest.approx(low, rel=1e-5)
