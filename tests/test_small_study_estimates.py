"""Adjusted estimates, missing studies and power against slow, obvious computations."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy import optimize, stats

from consilience import (
    excess_significance,
    fail_safe_n,
    fit,
    limit_meta,
    pet_peese,
    study_power,
    trim_and_fill,
    uwls,
    waap_wls,
)
from consilience.base.errors import InputError
from consilience.diagnostics.small_study.excess import at_least
from consilience.records import Design, Effects, Spec
from review_effects import make_effects


def effects(k: int = 15, *, seed: int = 2, mu: float = 0.3, slope: float = 1.0, tau: float = 0.1) -> Effects:
    rng = np.random.default_rng(seed)
    n = np.round(np.exp(rng.uniform(np.log(10), np.log(400), k)))
    v = 2 / n
    y = rng.normal(mu + slope * np.sqrt(v), np.sqrt(v + tau**2))
    names = np.array([f"s{i}" for i in range(k)], dtype=object)
    return Effects(y, v, names, "SMD", columns={"n1": n, "n2": n})


# --- PET-PEESE ----------------------------------------------------------------------------------------------------


def test_pet_and_peese_are_weighted_least_squares_and_the_rule_is_one_sided():
    e = effects()
    found = pet_peese(e)
    for line, power in ((found.pet, 1), (found.peese, 2)):
        w = np.sqrt(1 / e.v)
        design = np.column_stack([np.ones(e.k), e.v ** (power / 2)]) * w[:, None]
        beta, rss, *_ = np.linalg.lstsq(design, e.y * w, rcond=None)
        se = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * rss[0] / (e.k - 2))
        assert [line.estimate, line.slope] == pytest.approx(list(beta), rel=1e-9)
        assert [line.se, line.slope_se] == pytest.approx(list(se), rel=1e-9)
        assert line.p_one_sided == pytest.approx(stats.t.sf(beta[0] / se[0], e.k - 2), rel=1e-9)
    assert found.chosen == ("PEESE" if found.pet.p_one_sided < 0.05 else "PET")
    strict = pet_peese(e, alpha=found.pet.p_one_sided / 2)
    assert strict.chosen == "PET"
    assert strict.estimate is strict.pet
    assert pet_peese(e, alpha=2 * found.pet.p_one_sided).chosen == "PEESE"


def test_the_direction_decides_which_tail_counts():
    e = effects(mu=1.0, slope=0.0)
    assert pet_peese(e).direction == "positive"
    turned = pet_peese(replace(e, y=-e.y))
    assert turned.direction == "negative"
    assert turned.estimate.estimate == pytest.approx(-pet_peese(e).estimate.estimate, rel=1e-10)
    wrong = pet_peese(e, direction="negative")
    assert wrong.chosen == "PET"
    assert wrong.pet.p_one_sided > 0.99


def test_dependent_effects_stay_in_their_model():
    e = make_effects(15)
    model = fit(e, Spec.che())
    x = np.sqrt(1 / e["n_treatment"] + 1 / e["n_control"])
    direct = fit(e, Spec.che(), design=Design(np.column_stack([np.ones(e.k), x]), ("a", "b"))).coefficients
    found = pet_peese(model, predictor="arms", force=True)
    assert found.pet.estimate == pytest.approx(direct.estimate[0], rel=1e-9)
    assert found.pet.df == pytest.approx(direct.df[0], rel=1e-6)
    assert pet_peese(e, predictor="arms", force=True).pet.se == pytest.approx(direct.se[0], rel=1e-9)
    with pytest.raises(InputError) as caught:
        pet_peese(e, model="wls", force=True)
    assert caught.value.code == "dependent-effects"


def test_pet_peese_refuses_what_a_test_of_asymmetry_refuses_and_moderators():
    with pytest.raises(InputError) as caught:
        pet_peese(effects(8))
    assert caught.value.code == "too-few-studies"
    e = effects()
    model = fit(e, Spec.random_effects(), design=Design(np.column_stack([np.ones(15), e.v]), ("a", "b")))
    with pytest.raises(InputError, match="moderators"):
        pet_peese(model)


# --- trim and fill ------------------------------------------------------------------------------------------------


def slow_trim_and_fill(y: np.ndarray, v: np.ndarray, estimator: str) -> tuple[int, float]:
    """Duval & Tweedie with equal effects, studies missing on the left: plain loops, as the paper tells it."""
    k, k0 = len(y), 0
    rows = sorted(range(k), key=lambda i: y[i])
    for _ in range(50):
        kept = rows[: k - k0]
        centre = sum(y[i] / v[i] for i in kept) / sum(1 / v[i] for i in kept)
        gaps = [y[i] - centre for i in range(k)]
        order = sorted(range(k), key=lambda i: abs(gaps[i]))
        signed = [(r + 1) * (1 if gaps[i] > 0 else -1) for r, i in enumerate(order)]
        positive = sum(r for r in signed if r > 0)
        run = 0
        for r in reversed(signed):
            if r < 0:
                break
            run += 1
        estimate = {
            "L0": (4 * positive - k * (k + 1)) / (2 * k - 1),
            "R0": run - 1,
            "Q0": k - 0.5 - np.sqrt(2 * k**2 - 4 * positive + 0.25 + 0j).real,
        }[estimator]
        if estimator == "Q0" and 2 * k**2 - 4 * positive + 0.25 < 0:
            return -1, np.nan
        new = max(0, round(estimate))
        if new == k0:
            break
        k0 = new
    both = np.concatenate([y, [2 * centre - y[i] for i in rows[k - k0 :]]])
    weights = np.concatenate([1 / v, [1 / v[i] for i in rows[k - k0 :]]])
    return k0, float((both * weights).sum() / weights.sum())


@pytest.mark.parametrize("estimator", ["L0", "R0", "Q0"])
def test_trim_and_fill_as_the_paper_tells_it(estimator):
    some = 0
    for seed in range(12):
        e = effects(20, seed=seed, slope=2.0)
        k0, filled = slow_trim_and_fill(e.y, e.v, estimator)
        if k0 < 0:
            with pytest.raises(InputError, match="Q0 does not exist"):
                trim_and_fill(e, estimator=estimator, side="left", spec=Spec.equal_effects())
            continue
        found = trim_and_fill(e, estimator=estimator, side="left", spec=Spec.equal_effects())
        assert found.k0 == k0
        assert found.filled.coefficients.estimate[0] == pytest.approx(filled, rel=1e-9)
        some += k0 > 0
    assert some > 4


def test_trim_and_fill_mirrors_the_outermost_effects_and_chooses_the_side():
    e = effects(25, slope=2.5)
    found = trim_and_fill(e)
    assert found.side == "left"
    assert found.k0 == len(found.added_y) > 0
    np.testing.assert_allclose(found.added_y + e.y[found.mirrored], 2 * found.centre, rtol=1e-12)
    np.testing.assert_array_equal(found.added_v, e.v[found.mirrored])
    assert set(found.mirrored) == set(np.argsort(e.y)[-found.k0 :])
    assert found.filled.effects.k == 25 + found.k0
    turned = trim_and_fill(replace(e, y=-e.y))
    assert turned.side == "right"
    assert turned.k0 == found.k0
    np.testing.assert_allclose(turned.added_y, -found.added_y, rtol=1e-8)


def test_trim_and_fill_keeps_the_model_of_the_fit_and_refuses_others():
    e = effects(20, slope=2.0)
    model = fit(e, Spec.random_effects("DL", "z"))
    assert trim_and_fill(model).filled.spec == model.spec
    for data, code in ((make_effects(12), "dependent-effects"), (e.take(np.arange(2)), "too-few-studies")):
        with pytest.raises(InputError) as caught:
            trim_and_fill(data)
        assert caught.value.code == code


# --- limit meta-analysis ------------------------------------------------------------------------------------------


def test_limit_meta_analysis_maximises_its_likelihood():
    """y_i ~ N(beta + alpha s_i, s_i^2): the estimate and its curvature by a general optimiser, tau^2 as known."""
    e = effects()
    found = limit_meta(e)
    s = np.sqrt(e.v + found.tau2)
    loss = lambda t: 0.5 * np.sum((e.y - t[1] - t[0] * s) ** 2 / s**2)  # noqa: E731 - a formula
    best = optimize.minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-10}).x
    assert [found.alpha, found.beta] == pytest.approx(list(best), abs=1e-6)
    assert found.estimate == pytest.approx(best[1] + np.sqrt(found.tau2) * best[0], abs=1e-6)
    basis = np.column_stack([np.ones(e.k), 1 / s])
    covariance = np.linalg.inv(basis.T @ basis)
    g = np.array([np.sqrt(found.tau2), 1.0])
    assert found.se == pytest.approx(np.sqrt(g @ covariance @ g), rel=1e-9)
    assert found.q == pytest.approx(found.q_small + found.q_residual)


def test_without_heterogeneity_the_limit_is_the_intercept_of_eggers_regression():
    e = effects(tau=0.0)
    found = limit_meta(e, tau2=0.0)
    assert found.estimate == pytest.approx(pet_peese(e, model="equal").pet.estimate, rel=1e-9)
    np.testing.assert_allclose(found.limit_effects, found.beta)
    assert found.g2 == pytest.approx(0.0, abs=1e-9)


# --- averages of precise studies ----------------------------------------------------------------------------------


def test_uwls_and_waap():
    e = effects(30, mu=0.5, slope=0.0, tau=0.0)
    w = 1 / e.v
    mean = np.sum(w * e.y) / np.sum(w)
    q = np.sum(w * (e.y - mean) ** 2)
    found = uwls(e)
    assert found.estimate == pytest.approx(mean, rel=1e-12)
    assert found.se == pytest.approx(np.sqrt(q / 29 / np.sum(w)), rel=1e-12)
    adequate = np.sqrt(e.v) <= mean / (stats.norm.isf(0.025) + stats.norm.isf(0.2))
    assert 2 <= adequate.sum() < 30
    waap = waap_wls(e)
    assert waap.method == "WAAP"
    np.testing.assert_array_equal(waap.rows, np.flatnonzero(adequate))
    assert waap.estimate == pytest.approx(uwls(e.take(adequate)).estimate, rel=1e-12)
    none = waap_wls(effects(30, mu=0.0, slope=0.0, tau=0.0))
    assert none.method == "UWLS"
    assert none.notes[0].code == "too-few-adequate"


# --- fail-safe numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_fail_safe_studies_really_undo_the_conclusion(seed):
    e = effects(12, seed=seed, mu=0.5)
    found = fail_safe_n(e, target=0.2)
    z, w = e.y / np.sqrt(e.v), 1 / e.v
    for name, p_with in (
        ("Rosenthal", lambda n: stats.norm.sf(z.sum() / np.sqrt(12 + n))),
        ("Rosenberg", lambda n: 2 * stats.norm.sf((w * e.y).sum() / np.sqrt(w.sum() + n * w.mean()))),
    ):
        n = found[name].n
        assert n > 0
        assert p_with(n) >= 0.05 * (1 - 1e-9)
        assert p_with(n - 1) < 0.05
    n = found["Orwin"].n
    assert e.y.sum() / (12 + n) <= 0.2 < e.y.sum() / (12 + n - 1)


def test_fail_safe_number_of_nothing_is_zero_and_a_target_beyond_zero_is_refused():
    e = effects(12, mu=0.0, slope=0.0)
    quiet = replace(e, y=0.01 * e.y)
    assert [fail_safe_n(quiet)[m].n for m in ("Rosenthal", "Rosenberg")] == [0, 0]
    with pytest.raises(InputError) as caught:
        fail_safe_n(effects(mu=0.5), target=-0.1)
    assert caught.value.code == "target-not-between"
    assert fail_safe_n(e).tolerance == 70


# --- power and excess significance --------------------------------------------------------------------------------


def test_sum_of_independent_events_by_enumeration():
    p = np.array([0.1, 0.5, 0.7, 0.25])
    for count in range(5):
        chance = sum(
            np.prod(np.where(event, p, 1 - p))
            for event in (np.array(x, dtype=bool) for x in itertools.product((0, 1), repeat=4))
            if event.sum() >= count
        )
        assert at_least(count, p) == pytest.approx(chance, rel=1e-12)


def test_power_by_simulation():
    e = effects(8)
    found = excess_significance(e, effect=0.3, tau2=0.02)
    rng = np.random.default_rng(3)
    y = rng.normal(0.3, np.sqrt(e.v + 0.02), (200_000, 8))
    share = np.mean(np.abs(y) > stats.norm.isf(0.025) * np.sqrt(e.v), axis=0)
    np.testing.assert_allclose(found.power, share, atol=0.006)


def test_excess_significance_against_metafor():
    """metafor 3.8, tes(yi, vi, data = dat.bcg) on log risk ratios: O = 8, E = 6.092659, exact p = 0.1344086, binomial p =
    0.2170631; tes(rma(yi, vi)): E = 7.80883, p = 0.5840585."""
    a = np.array([4, 6, 3, 62, 33, 180, 8, 505, 29, 17, 186, 5, 27], dtype=float)
    b = np.array([119, 300, 228, 13536, 5036, 1361, 2537, 87886, 7470, 1699, 50448, 2493, 16886], dtype=float)
    c = np.array([11, 29, 11, 248, 47, 372, 10, 499, 45, 65, 141, 3, 29], dtype=float)
    d = np.array([128, 274, 209, 12619, 5761, 1079, 619, 87892, 7232, 1600, 27197, 2338, 17825], dtype=float)
    y = np.log(a / (a + b)) - np.log(c / (c + d))
    v = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
    bcg = Effects(y, v, np.arange(13).astype(str).astype(object), "RR")
    found = excess_significance(bcg)
    assert found.observed == 8
    assert found.expected == pytest.approx(6.092659, abs=1e-6)
    assert found.p_exact == pytest.approx(0.1344086, abs=1e-7)
    assert found.p_binomial == pytest.approx(0.2170631, abs=1e-7)
    random = excess_significance(fit(bcg, Spec.random_effects()))
    assert random.expected == pytest.approx(7.80883, abs=2e-4)  # R's tau^2 stops early
    assert random.p_exact == pytest.approx(0.5840585, abs=2e-4)


def test_excess_significance_where_every_study_has_full_power():
    found = excess_significance(
        Effects(np.full(5, 3.0), np.full(5, 1e-4), np.array(list("abcde"), dtype=object))
    )
    assert (found.observed, found.expected) == (5, 5.0)
    assert np.isnan([found.chi2, found.p_chi2, found.psst_z, found.psst_p]).all()
    assert found.p_exact == found.p_binomial == 1.0
    assert str(found)


def test_power_of_the_studies_for_the_sunset_funnel():
    e = effects(21)
    found = study_power(e)
    assert found.effect == pytest.approx(uwls(e).estimate, rel=1e-12)
    assert found.median == pytest.approx(np.median(found.power))
    assert found.r_index == pytest.approx(np.clip(2 * found.median - found.observed / 21, 0, 1))
    for effect, wanted in ((found.effect_33, 0.33), (found.effect_66, 0.66)):
        assert study_power(e, effect=effect).median == pytest.approx(wanted, abs=1e-9)
    for power, se in found.contours:
        z = stats.norm.isf(0.025)
        chance = stats.norm.sf(z - found.effect / se) + stats.norm.cdf(-z - found.effect / se)
        assert chance == pytest.approx(power, abs=1e-9)
