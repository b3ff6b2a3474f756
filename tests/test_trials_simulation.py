"""Every route from printed numbers to an effect, by simulation: unbiased, and the variance is the true one.

Each case simulates 3,000 trials person by person, prints them in one form, and reads them back through
`trial_effects` or `trial_ratios`. Monte-Carlo error of a variance is 2.6%, of the mean SD/55.
"""

import numpy as np
import pytest

from consilience.base.distributions import t_isf, t_two_sided
from consilience.effects import trial_effects, trial_ratios
from consilience.effects.small_sample import j_factor
from trial_tables import arm, contrast, four, people, plan, reported, rule

TRIALS, N_T, N_C, DELTA = 3000, 24, 30, 0.5


def draw(seed, *, r=0.5, sd=1.0, start=0.0, delta=DELTA):
    """(treated, control), each (2, trials, n): the treated rise by delta SDs."""
    rng = np.random.default_rng(seed)
    treated = people(rng, TRIALS, N_T, means=(start, start + delta * sd), sd=sd, r=r)
    control = people(rng, TRIALS, N_C, means=(start, start), sd=sd, r=r)
    return treated, control


def rows(treated, control, cells):
    """Four rows a trial; `cells(values)` prints (trials, n) values of one arm and time."""
    printed = [[cells(values) for values in side] for side in (treated, control)]
    out = []
    for i in range(TRIALS):
        t0, t1, c0, c1 = ({k: v[i] for k, v in printed[a][b].items()} for a in (0, 1) for b in (0, 1))
        out += four(t0, t1, c0, c1, study=f"S{i}")
    return out


def mean_sd(x):
    return {"n": np.full(len(x), x.shape[1]), "mean": x.mean(1), "sd": x.std(1, ddof=1)}


def mean_se(x):
    return {"n": np.full(len(x), x.shape[1]), "mean": x.mean(1), "se": x.std(1, ddof=1) / np.sqrt(x.shape[1])}


def mean_ci(x):
    half = t_isf(0.05, x.shape[1] - 1) * x.std(1, ddof=1) / np.sqrt(x.shape[1])
    m = x.mean(1)
    level = np.full(len(x), 90.0)
    return {
        "n": np.full(len(x), x.shape[1]),
        "mean": m,
        "ci_low": m - half,
        "ci_high": m + half,
        "confidence": level,
    }


def quartiles(x):
    q1, median, q3 = np.quantile(x, [0.25, 0.5, 0.75], axis=1)
    return {"n": np.full(len(x), x.shape[1]), "median": median, "q1": q1, "q3": q3}


def geometric(x):
    logs = np.log(x)
    half = t_isf(0.025, x.shape[1] - 1) * logs.std(1, ddof=1) / np.sqrt(x.shape[1])
    m = logs.mean(1)
    return {
        "n": np.full(len(x), x.shape[1]),
        "geometric_mean": np.exp(m),
        "geometric_ci_low": np.exp(m - half),
        "geometric_ci_high": np.exp(m + half),
    }


def logarithms(x):
    return {**mean_sd(np.log10(x)), "scale": np.full(len(x), "log10", dtype=object)}


def judge(effects, truth, *, code, variance=0.13, bias=0.0):
    """Mean effect at the truth, mean variance at the variance of the effects."""
    assert effects.k == TRIALS
    assert set(effects["route_code"]) == {code}
    error = 4 * effects.y.std() / np.sqrt(TRIALS)
    assert effects.y.mean() == pytest.approx(truth, abs=error + bias)
    assert effects.v.mean() == pytest.approx(effects.y.var(), rel=variance)


@pytest.mark.parametrize("cells", [mean_sd, mean_se, mean_ci])
@pytest.mark.parametrize("r", [0.3, 0.8])
def test_means_before_and_after(cells, r):
    data = reported(rows(*draw(1, r=r), cells))
    judge(trial_effects(data, plan(rule(r=r))), DELTA, code="pre-post-means")


def test_large_sample_variance_is_the_other_choice():
    data = reported(rows(*draw(1, r=0.3), mean_sd))
    judge(trial_effects(data, plan(rule(r=0.3), variance="large-sample")), DELTA, code="pre-post-means")


def test_means_from_quartiles():
    data = reported(rows(*draw(2), quartiles))
    judge(trial_effects(data, plan()), DELTA, code="pre-post-medians", variance=0.2, bias=0.03)


def with_change(treated, control, later):
    """Rows before with mean and SD, rows after with what `later(before, after)` prints."""
    out = []
    for role, side in (("treatment", treated), ("control", control)):
        before, after = mean_sd(side[0]), later(side[0], side[1])
        for i in range(TRIALS):
            out.append(arm(role, "pre", study=f"S{i}", **{k: v[i] for k, v in before.items()}))
            out.append(arm(role, "post", study=f"S{i}", **{k: v[i] for k, v in after.items()}))
    return out


def change_sd(before, after):
    d = after - before
    return {"n": np.full(len(d), d.shape[1]), "change": d.mean(1), "change_sd": d.std(1, ddof=1)}


def change_t(before, after):
    made = change_sd(before, after)
    t = made["change"] / (made["change_sd"] / np.sqrt(before.shape[1]))
    return {"n": made["n"], "change": made["change"], "change_t": t}


def change_p(before, after):
    made = change_t(before, after)
    p = t_two_sided(made.pop("change_t"), before.shape[1] - 1)
    return {**made, "change_p": p}


@pytest.mark.parametrize("later", [change_sd, change_t, change_p])
def test_changes_over_the_baseline_sd(later):
    """The declared r (.1) is wrong on purpose: with a printed dispersion of change it must not matter."""
    data = reported(with_change(*draw(3, r=0.8), later))
    judge(trial_effects(data, plan(rule(r=0.3))), DELTA, code="change-means-baseline-sd")


def test_changes_with_their_sd_need_no_r_even_if_one_is_printed():
    """The SD of change says what the variance is; a printed r that is far off must not replace it."""
    data = [{**row, "r": 0.2} for row in with_change(*draw(3, r=0.8), change_sd)]
    effects = trial_effects(reported(data), plan())
    judge(effects, DELTA, code="change-means-baseline-sd")
    assert set(effects["r_source"]) == {"not needed"}


def test_r_is_derived_from_the_sd_of_change():
    """Post SDs 1.4 times the baseline's: the printed SD of change carries the true variance."""
    treated, control = draw(4, r=0.7)
    treated[1], control[1] = 1.4 * (treated[1] - DELTA) + DELTA, 1.4 * control[1]
    after = lambda b, a: {**mean_sd(a), "change_sd": (a - b).std(1, ddof=1)}  # noqa: E731
    effects = trial_effects(reported(with_change(treated, control, after)), plan(rule(r=0.3)))
    assert set(effects["r_source"]) == {"derived from the SD of change"}
    assert np.mean(effects["r"]) == pytest.approx(0.7, abs=0.02)
    judge(effects, DELTA, code="pre-post-means")


def test_reported_r_is_used_arm_by_arm():
    treated, _ = draw(5, r=0.9)
    _, control = draw(6, r=0.2)
    data = rows(treated, control, mean_sd)
    data = [{**row, "r": 0.9 if row["role"] == "treatment" else 0.2} for row in data]
    judge(trial_effects(reported(data), plan()), DELTA, code="pre-post-means")


@pytest.mark.parametrize("r", [0.4, 0.85])
def test_change_score_d_is_rescaled_to_the_sd_of_the_values(r):
    data = [row for row in with_change(*draw(7, r=r), change_sd) if row["time"] == "post"]
    judge(trial_effects(reported(data), plan(rule(r=r))), DELTA, code="change-score-d")


def test_final_values():
    data = [row for row in rows(*draw(8), mean_sd) if row["time"] == "post"]
    judge(trial_effects(reported(data), plan()), DELTA, code="final-means")


def two_sample(x, y):
    """Difference, its SE and t of two arms, per trial."""
    n1, n2 = x.shape[1], y.shape[1]
    pooled = ((n1 - 1) * x.var(1, ddof=1) + (n2 - 1) * y.var(1, ddof=1)) / (n1 + n2 - 2)
    se = np.sqrt(pooled * (1 / n1 + 1 / n2))
    return x.mean(1) - y.mean(1), se, (x.mean(1) - y.mean(1)) / se


SIZES = {"n_treatment": N_T, "n_control": N_C}


@pytest.mark.parametrize("compares", ["final", "change", "interaction"])
@pytest.mark.parametrize("form", ["t", "f", "p", "difference", "smd", "smd-with-se"])
def test_statistics_of_a_comparison(compares, form):
    r = 0.7
    treated, control = draw(9, r=r)
    final = compares == "final"
    x, y = (treated[1], control[1]) if final else (treated[1] - treated[0], control[1] - control[0])
    difference, se, t = two_sample(x, y)
    signs = np.where(t > 0, "treatment higher", "control higher")
    p = t_two_sided(t, N_T + N_C - 2)
    a, j = 1 / N_T + 1 / N_C, float(j_factor(N_T + N_C - 2))
    data = []
    for i in range(TRIALS):
        cells = {
            "t": {"t": t[i]},
            "f": {"f": t[i] ** 2, "direction": signs[i]},
            "p": {"p": p[i], "direction": signs[i]},
            "difference": {"difference": difference[i], "difference_se": se[i]},
            "smd": {"smd": j * t[i] * np.sqrt(a)},
            "smd-with-se": {
                "smd": j * t[i] * np.sqrt(a),
                "smd_se": np.sqrt(a + t[i] ** 2 * a / (2 * (N_T + N_C))),
            },
        }[form]
        data.append(contrast(study=f"S{i}", compares=compares, **SIZES, **cells))
    code = f"{form.split('-')[0]}-{'final' if final else 'change'}"
    judge(trial_effects(reported(contrasts=data), plan(rule(r=r))), DELTA, code=code)


def test_difference_of_changes_over_the_baseline_sd():
    r = 0.8
    treated, control = draw(10, r=r)
    difference, se, _ = two_sample(treated[1] - treated[0], control[1] - control[0])
    half = t_isf(0.025, N_T + N_C - 2) * se
    data = [
        contrast(
            study=f"S{i}",
            compares="change",
            **SIZES,
            difference=difference[i],
            difference_ci_low=difference[i] - half[i],
            difference_ci_high=difference[i] + half[i],
        )
        for i in range(TRIALS)
    ]
    arms = [row for row in rows(treated, control, mean_sd) if row["time"] == "pre"]
    judge(trial_effects(reported(arms, data), plan(rule(r=0.3))), DELTA, code="difference-baseline-sd")


def test_chi_squared():
    """d of a dichotomy in units of its own SD."""
    rng = np.random.default_rng(14)
    n, p = (60, 80), (0.6, 0.4)
    a, b = (rng.binomial(size, share, TRIALS) for size, share in zip(n, p, strict=True))
    total, yes = sum(n), a + b
    chi2 = total * (a * (n[1] - b) - b * (n[0] - a)) ** 2 / (n[0] * n[1] * yes * (total - yes))
    data = [
        contrast(
            study=f"S{i}",
            n_treatment=n[0],
            n_control=n[1],
            chi2=chi2[i],
            direction="treatment higher" if a[i] / n[0] > b[i] / n[1] else "control higher",
        )
        for i in range(TRIALS)
    ]
    judge(
        trial_effects(reported(contrasts=data), plan()),
        0.2 / np.sqrt(0.24),
        code="chi2",
        variance=0.15,
        bias=0.01,
    )


def test_events():
    """Counts from a logistic latent variable shifted by .5 SDs of it; ln OR to d."""
    rng = np.random.default_rng(11)
    n, shift = 150, 0.5 * np.pi / np.sqrt(3)
    yes = [rng.binomial(n, 1 / (1 + np.exp(-(0.2 + s))), TRIALS) for s in (shift, 0.0)]
    data = []
    for i in range(TRIALS):
        data.append(arm("treatment", "post", study=f"S{i}", events=yes[0][i], total=n))
        data.append(arm("control", "post", study=f"S{i}", events=yes[1][i], total=n))
    judge(trial_effects(reported(data), plan()), 0.5, code="events", bias=0.01)


@pytest.mark.parametrize(
    ("cells", "code", "log_sd", "variance", "bias"),
    [
        (geometric, "pre-post-geometric-means", 1.0, 0.13, 0.0),
        (logarithms, "pre-post-log-means", 1.0, 0.13, 0.0),
        (mean_sd, "pre-post-means-to-log", 0.4, 0.15, 0.02),
        (mean_sd, "pre-post-means-to-log", 0.7, 0.2, 0.04),
        (quartiles, "pre-post-medians-log", 1.0, 0.2, 0.03),
    ],
)
def test_skewed_values_on_the_log_scale(cells, code, log_sd, variance, bias):
    """Lognormal people. Raw means and SDs are converted: their log SD is too small by a few percent, and g too large."""
    treated, control = draw(12, r=0.6, sd=log_sd, start=1.0)
    data = reported(rows(np.exp(treated), np.exp(control), cells))
    effects = trial_effects(data, plan(rule(scale="log", r=0.6)))
    judge(effects, DELTA, code=code, variance=variance, bias=bias)
    assert np.mean(effects["log_sd"]) == pytest.approx(log_sd, rel=0.06)


@pytest.mark.parametrize(
    ("cells", "code", "log_sd", "variance"),
    [
        (geometric, "ratio-geometric", 1.0, 0.13),
        (logarithms, "ratio-geometric", 1.0, 0.13),
        (mean_sd, "ratio-arithmetic", 0.4, 0.13),
        (mean_sd, "ratio-arithmetic", 0.8, 0.15),
        (quartiles, "ratio-geometric", 0.5, 0.2),
    ],
)
def test_ratio_of_ratios(cells, code, log_sd, variance):
    treated, control = draw(13, r=0.6, sd=log_sd, start=1.0)
    data = reported(rows(np.exp(treated), np.exp(control), cells))
    ratios = trial_ratios(data, plan(rule(scale="log", r=0.6, better="lower")))
    judge(ratios, DELTA * log_sd, code=code, variance=variance)


def changes_of_logarithms(treated, control, *, sd_printed):
    """Two or four rows a trial on the log10 scale: the mean change, with its SD or with the SD before treatment."""
    out = []
    for role, values in (("treatment", treated), ("control", control)):
        logs = values / np.log(10)
        change = logs[1] - logs[0]
        for i in range(TRIALS):
            row = {"study": f"S{i}", "n": values.shape[2], "scale": "log10"}
            printed = {"change_sd": change[i].std(ddof=1)} if sd_printed else {}
            out.append(arm(role, "post", change=change[i].mean(), **printed, **row))
            if not sd_printed:
                out.append(arm(role, "pre", sd=logs[0, i].std(ddof=1), mean=logs[0, i].mean(), **row))
    return out


@pytest.mark.parametrize("sd_printed", [True, False])
def test_ratio_of_ratios_from_changes_of_logarithms(sd_printed):
    """log10 changes of lognormal people: D is in natural logs, and its variance is that of D."""
    treated, control = draw(15, r=0.6, sd=0.8)
    data = reported(changes_of_logarithms(treated, control, sd_printed=sd_printed))
    ratios = trial_ratios(data, plan(rule(scale="log", r=0.6, better="lower")))
    judge(ratios, DELTA * 0.8, code="ratio-log-change", variance=0.08)


def test_ratio_of_ratios_from_a_difference_of_changes_of_logarithms():
    treated, control = draw(18, r=0.6, sd=0.8)
    changes = [(x[1] - x[0]) / np.log(10) for x in (treated, control)]
    difference = changes[0].mean(1) - changes[1].mean(1)
    pooled = ((N_T - 1) * changes[0].var(1, ddof=1) + (N_C - 1) * changes[1].var(1, ddof=1)) / (N_T + N_C - 2)
    half = t_isf(0.025, N_T + N_C - 2) * np.sqrt(pooled * (1 / N_T + 1 / N_C))
    data = [
        contrast(
            study=f"S{i}",
            n_treatment=N_T,
            n_control=N_C,
            compares="change",
            scale="log10",
            difference=difference[i],
            difference_ci_low=difference[i] - half[i],
            difference_ci_high=difference[i] + half[i],
        )
        for i in range(TRIALS)
    ]
    ratios = trial_ratios(reported(contrasts=data), plan(rule(scale="log", better="lower")))
    judge(ratios, DELTA * 0.8, code="ratio-log-difference", variance=0.08)
    final = [{**row, "compares": "final"} for row in data[:3]]
    assert trial_ratios(reported(contrasts=final), plan()).k == 0  # no baseline: another quantity
