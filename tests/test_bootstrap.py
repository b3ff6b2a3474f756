"""Bootstrap and jackknife against known answers, scipy's BCa, and the exact distribution of tau^2."""

from __future__ import annotations

import warnings
from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest
from scipy import stats

from consilience.base.errors import InputError, OptionError
from consilience.inference.intervals import heterogeneity_intervals
from consilience.models import bootstrap, fit, jackknife
from consilience.models.bootstrap import acceleration, bca, bca_level, error_of_sd, quantile
from consilience.models.quantities import with_copies
from consilience.records import Effects, Inner, Intercept, Known, Spec
from resampling_data import dependent, independent


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_parametric_standard_error_of_known_variances():
    """Equal effects: b* is N(b, 1 / sum w) exactly."""
    found = fit(independent(25), Spec.equal_effects())
    made = bootstrap(found, rng=rng(), replicates=20_000)
    exact = 1 / np.sqrt(np.sum(1 / found.effects.v))
    assert abs(made.se[0] - exact) < 2 * made.se_error[0]
    assert abs(made.bias[0]) < 2 * made.bias_error[0]
    assert made.se_error[0] == pytest.approx(1.96 * exact / np.sqrt(2 * 20_000), rel=0.05)
    for kind in ("percentile", "basic", "studentised"):
        # z scores of a normal pivot: all intervals are estimate -/+ 1.96 se, within their own Monte-Carlo errors
        assert (
            abs(made.low[kind][0] - (found.coefficients.estimate[0] - 1.96 * exact))
            < 2 * made.low_error[kind][0]
        )
        assert (
            abs(made.high[kind][0] - (found.coefficients.estimate[0] + 1.96 * exact))
            < 2 * made.high_error[kind][0]
        )


def test_cluster_bootstrap_of_a_mean():
    """Equal variances: resampling studies is the plain bootstrap of a mean, se = sqrt(sum (y - m)^2) / k."""
    effects = independent(18, v=0.05)
    made = bootstrap(fit(effects, Spec.equal_effects()), kind="cluster", rng=rng(), replicates=20_000)
    exact = np.sqrt(np.sum((effects.y - effects.y.mean()) ** 2)) / 18
    assert abs(made.se[0] - exact) < 2 * made.se_error[0]
    assert made.failed == 0


def test_bca_is_that_of_scipy():
    """Draws that equal the estimate count half, in scipy too: 43 of these 4,999 do, some but for rounding."""
    skewed = np.array([0.2, 0.3, 0.1, 0.4, 0.2, 0.5, 0.9, 1.4, 0.3, 0.2, 2.8, 0.6, 0.1, 0.7, 4.1])
    for y, ties in ((skewed, 43), (skewed + np.linspace(0, 0.037, 15) ** 2, 0)):
        given = stats.bootstrap((y,), np.mean, n_resamples=4999, method="BCa", rng=rng(3))
        draws = np.sort(given.bootstrap_distribution)
        assert np.sum(np.abs(draws - y.mean()) < 1e-12) == ties
        left_out = np.array([np.delete(y, i).mean() for i in range(15)])
        share = (np.mean(draws < y.mean()) + np.mean(draws <= y.mean())) / 2
        a = acceleration(left_out)
        assert a > 0.05
        levels = [bca_level(share, a, p) for p in (0.025, 0.975)]
        expected = (given.confidence_interval.low, given.confidence_interval.high)
        np.testing.assert_allclose(np.quantile(draws, levels), expected, rtol=1e-10)
        ours = bca(draws, float(y.mean()), left_out, level=0.95)
        assert ours is not None
        # the same levels, read at position p (R + 1) of the draws instead of 1 + p (R - 1)
        read = expected if ties else np.quantile(draws, levels, method="weibull")
        np.testing.assert_allclose(ours[:2], read, rtol=1e-10)


def test_bca_needs_draws_on_both_sides_and_clusters_that_matter():
    draws = np.sort(rng().normal(size=99))
    assert bca(draws, -9.0, np.arange(5.0), level=0.95) is None
    assert bca(draws, 0.0, np.ones(5), level=0.95) is None
    assert np.isnan(acceleration(np.array([1.0, 2.0])))


def test_monte_carlo_errors_hold_what_other_runs_give():
    found = fit(independent(20), Spec.random_effects())
    runs = [bootstrap(found, rng=rng(s), replicates=1999) for s in range(50)]
    truth = bootstrap(found, rng=rng(999), replicates=60_000)
    for j in range(len(truth.names)):
        inside = [abs(r.se[j] - truth.se[j]) <= r.se_error[j] for r in runs]
        assert np.mean(inside) > 0.85, truth.names[j]
        inside = [abs(r.bias[j] - truth.bias[j]) <= r.bias_error[j] for r in runs]
        assert np.mean(inside) > 0.85, truth.names[j]
        for kind in ("percentile", "bca"):
            inside = [
                abs(r.high[kind][j] - truth.high[kind][j]) <= r.high_error[kind][j]
                for r in runs
                if np.isfinite(r.high_error[kind][j])
            ]
            assert np.mean(inside) > 0.85, (truth.names[j], kind)


def test_tau2_follows_its_exact_distribution_and_the_q_profile():
    """Equal variances: v + tau^2* is (v + tau^2) chi2(k - 1) / (k - 1), cut at v; Q-profile inverts the same pivot."""
    k, v = 30, 0.05
    found = fit(independent(k, v=v, tau=0.4), Spec.random_effects())
    made = bootstrap(found, rng=rng(), replicates=20_000)
    j = made.names.index("variance of row")
    total = v + found.components.total
    ratio = stats.chi2.ppf([0.025, 0.975], k - 1) / (k - 1)
    low, high = np.maximum(total * ratio - v, 0)
    assert abs(made.low["percentile"][j] - low) < 2 * made.low_error["percentile"][j]
    assert abs(made.high["percentile"][j] - high) < 2 * made.high_error["percentile"][j]
    # the pivot inverted: (v + tau^2) / ratio
    pivot = np.quantile((v + made.draws[:, j]) / total, [0.975, 0.025])
    profile = heterogeneity_intervals(found).tau2
    np.testing.assert_allclose(total / pivot - v, [profile.low, profile.high], rtol=0.03)


def test_same_seed_same_numbers_whatever_the_parts(monkeypatch):
    effects, design = dependent(8)
    found = fit(effects, Spec.che(), design=design)
    uni = fit(independent(9), Spec.random_effects())
    for kind in ("parametric", "cluster"):
        whole = bootstrap(found, kind=kind, rng=rng(4), replicates=24)
        ours = bootstrap(uni, kind=kind, rng=rng(4), replicates=200)
        monkeypatch.setattr(import_module("consilience.models.quantities"), "MOST", 7)
        parts = bootstrap(found, kind=kind, rng=rng(4), replicates=24)
        # how many are solved at once changes the order of sums, and nothing else
        np.testing.assert_allclose(parts.draws, whole.draws, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(
            bootstrap(uni, kind=kind, rng=rng(4), replicates=200).draws, ours.draws, rtol=1e-12
        )
        monkeypatch.undo()
    assert whole.names == (
        "intercept",
        "x",
        "variance of study",
        "variance of study/row",
        "total variance",
        "I\u00b2, %",
    )


def test_callables_agree_with_the_batch():
    effects, design = dependent(8)
    found = fit(effects, Spec.che(), design=design)
    for kind in ("parametric", "cluster"):
        batch = bootstrap(found, kind=kind, rng=rng(2), replicates=20)
        one = bootstrap(found, lambda f: f.coefficients.estimate, kind=kind, rng=rng(2), replicates=20)
        np.testing.assert_allclose(one.draws, batch.draws[:, :2], rtol=1e-4, atol=1e-5)
    ratio = bootstrap(found, lambda f: {"ratio": f.coefficients.estimate[1]}, rng=rng(2), replicates=20)
    assert ratio.names == ("ratio",)
    assert np.isnan(ratio.low["studentised"][0])
    assert any(note.code == "no-studentised" for note in ratio.notes)
    assert bootstrap(found, lambda f: f.loglik, rng=rng(2), replicates=20).names == ("quantity",)


def test_a_resample_is_a_fit_of_its_studies():
    """Copies of studies are new studies; a crossed grouping and a relation stay what they are."""
    effects, _ = dependent(6, seed=3)
    relation = 0.5 * np.eye(4) + 0.5
    specs = (
        Spec.che(),
        Spec((Inner("outcome", "study", "CS"),)),
        Spec((Intercept(("study",)), Intercept(("lab",))), test="z"),
        Spec((Known("lab", relation, tuple(f"lab {i}" for i in range(4))), Intercept(("study",))), test="z"),
    )
    codes = np.array([effects.studies.index(s) for s in effects.study])
    twice = np.concatenate([np.flatnonzero(codes == j) for j in (0, 0, 2, 3, 3, 5)])
    labels = np.concatenate([np.full(np.sum(codes == j), f"n{i}") for i, j in enumerate((0, 0, 2, 3, 3, 5))])
    starts = np.cumsum([0] + [np.sum(codes == j) for j in (0, 0, 2, 3, 3, 5)])
    blocks = []
    for i, j in enumerate((0, 0, 2, 3, 3, 5)):
        for block in effects.blocks:
            if codes[block.rows[0]] == j:
                blocks.append(replace(block, rows=np.arange(starts[i], starts[i + 1])))
    by_hand = Effects(
        effects.y[twice],
        effects.v[twice],
        labels.astype(object),
        blocks=tuple(blocks),
        columns={name: c[twice] for name, c in effects.columns.items()},
    )
    counts = np.array([2, 0, 1, 2, 0, 1])
    keep = np.concatenate([counts[codes] > c for c in range(2)])
    for spec in specs:
        many = with_copies(fit(effects, spec), codes, 2)
        expected, ours = fit(by_hand, spec), fit(many.effects.take(keep), spec)
        assert ours.loglik == pytest.approx(expected.loglik, abs=1e-8)
        np.testing.assert_allclose(ours.coefficients.estimate, expected.coefficients.estimate, rtol=1e-5)
        np.testing.assert_allclose(ours.coefficients.se, expected.coefficients.se, rtol=1e-4)


def test_jackknife_is_cr3_where_weights_do_not_change():
    effects, design = dependent(12)
    found = fit(effects, Spec((), "EE", "CR3"), design=design)
    made = jackknife(found)
    off = made.left_out[:, :2] - found.coefficients.estimate
    np.testing.assert_allclose(off.T @ off, found.coefficients.covariance, rtol=1e-9)


def test_jackknife_of_a_mean_is_the_textbook_one():
    effects = independent(14, v=0.05)
    made = jackknife(fit(effects, Spec.equal_effects()))
    y = effects.y
    assert made.se[0] == pytest.approx(y.std(ddof=1) / np.sqrt(14))
    assert made.bias[0] == pytest.approx(0, abs=1e-14)
    np.testing.assert_allclose(made.pseudo[:, 0], y)
    half = stats.t.isf(0.025, 13) * made.se[0]
    assert made.high[0] - made.low[0] == pytest.approx(2 * half)
    variance = jackknife(fit(effects, Spec.equal_effects()), lambda f: np.var(f.effects.y))
    assert variance.corrected[0] == pytest.approx(np.var(y, ddof=1))  # the jackknife makes it unbiased
    assert jackknife(fit(effects, Spec.equal_effects()), by="row").se[0] == pytest.approx(made.se[0])


def test_records_show_themselves():
    effects, design = dependent(8)
    found = fit(effects, Spec.che(), design=design)
    text = str(bootstrap(found, rng=rng(), replicates=20))
    assert "Parametric bootstrap" in text
    assert "variance of study/row" in text
    assert "BCa" in text
    assert max(map(len, text.splitlines())) <= 100
    assert 'one level of "study"' in str(jackknife(found)).replace("\n", " ")


def test_wrong_calls_are_refused():
    found = fit(independent(9), Spec.random_effects())
    with pytest.raises(OptionError, match="parametric"):
        bootstrap(found, kind="parametrik", rng=rng())  # type: ignore[arg-type]
    for call, code in (
        (lambda: bootstrap(found, rng=rng(), replicates=5), "replicates"),
        (lambda: bootstrap(found, lambda f: "a", rng=rng()), "quantity"),  # type: ignore[arg-type,return-value]
        (lambda: bootstrap(fit(independent(2), Spec.random_effects()), rng=rng()), "too-few-clusters"),
        (lambda: jackknife(found, by="lab"), "unknown-column"),
    ):
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.code == code


def test_pieces():
    ordered = np.arange(1.0, 1000.0)
    assert quantile(ordered, 0.025)[0] == pytest.approx(25)
    assert quantile(ordered, 0.025)[1] == pytest.approx(1000 * 1.96 * np.sqrt(0.025 * 0.975 / 999), rel=0.01)
    assert np.isnan(quantile(ordered, 0.9999)[1])
    assert bca_level(0.5, 0.0, 0.025) == pytest.approx(0.025)
    assert error_of_sd(np.ones(9)) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert error_of_sd(rng().normal(size=4000)) == pytest.approx(1 / np.sqrt(8000), rel=0.1)
