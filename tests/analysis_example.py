"""A made-up but realistic `Analysis` for the tests of tables, figures and the report.

Nothing here is a method: pooled numbers are plain weighted means, good enough to look at. The same
arguments give the same analysis.
"""

from __future__ import annotations

import math

import numpy as np

from analysis_example_data import example_bias, example_effects, example_plan, example_trials
from consilience.records import (
    Analysis,
    Bound,
    Columns,
    Course,
    Effects,
    Estimate,
    Note,
    Paragraph,
    Provenance,
    Question,
    Reported,
    Scenario,
    StudyAverage,
    TestResult,
    Tipping,
)


def _pool(effects: Effects, mask: np.ndarray, key: str, label: str, **more: object) -> Estimate:
    """A weighted mean of study means with a t interval of rough width; enough to look at."""
    studies = list(dict.fromkeys(effects.study[mask].tolist()))
    if len(studies) < 2:
        k = int(mask.sum())
        return Estimate(
            key,
            label,
            n_trials=len(studies),
            n_effects=k,
            available=False,
            reason="Too few trials (fewer than 2).",
        )
    means = np.array([effects.y[mask & (effects.study == s)].mean() for s in studies])
    variances = np.array([effects.v[mask & (effects.study == s)].mean() for s in studies])
    people = sum(float(effects["n_people"][mask & (effects.study == s)].max()) for s in studies)
    tau2 = max(0.01, float(means.var(ddof=1)) - float(variances.mean()))
    w = 1 / (variances + tau2)
    b, se = float((w * means).sum() / w.sum()), float(w.sum() ** -0.5)
    df = max(1.2, 0.7 * len(studies) - 1)
    t = 1.96 + 2.4 / df
    half = t * math.sqrt(se**2 + tau2)
    return Estimate(
        key,
        label,
        estimate=b,
        se=se,
        ci_low=b - t * se,
        ci_high=b + t * se,
        df=df,
        p_value=math.erfc(abs(b) / se / math.sqrt(2)),
        pi_low=b - half,
        pi_high=b + half,
        tau2={"study": tau2 * 0.7, "effect": tau2 * 0.3},
        i2={"study": 38.2, "effect": 16.4},
        n_trials=len(studies),
        n_effects=int(mask.sum()),
        n_people=round(people),
        share_in_favour=float((means > 0).mean()),
        method="CHE (REML), CR2, Satterthwaite df",
        trust="Fewer than 4 degrees of freedom: the p-value is not trustworthy." if df < 4 else "",
        **more,  # type: ignore[arg-type]
    )


def _percent(key: str, label: str, base: Estimate, sign: float) -> Estimate:
    def change(g: float) -> float:
        return 100 * (math.exp(sign * 0.6 * g) - 1)

    low, high = sorted((change(base.ci_low), change(base.ci_high)))
    pi = sorted((change(base.pi_low), change(base.pi_high)))
    return Estimate(
        key,
        label,
        "percent",
        change(base.estimate),
        base.se * 60,
        low,
        high,
        base.df,
        base.p_value,
        pi[0],
        pi[1],
        n_trials=base.n_trials,
        n_effects=base.n_effects,
        n_people=base.n_people,
        method="log ratio of ratios",
        available=base.available,
        reason=base.reason,
    )


def _questions(effects: Effects, used: np.ndarray, overall: Estimate) -> tuple[Question, ...]:
    family = {
        f: _pool(effects, used & (effects["family"] == f), f"family/{f}", f"{f.title()} markers")
        for f in ("beneficial", "harmful")
    }
    percents = tuple(
        _percent(f"family/{f}/percent", f"{f.title()} markers, percent change", family[f], s)
        for f, s in (("beneficial", 1.0), ("harmful", -1.0))
    )
    out = [
        Question(
            "overall",
            "overall",
            "All immune outcomes",
            (overall,),
            answer="On average the markers improved slightly.",
        ),
        Question("family", "family", "Beneficial and harmful markers", (*family.values(), *percents)),
    ]
    for column, title in (
        ("intervention_class", "By class of intervention"),
        ("outcome_class", "By class of outcome"),
    ):
        levels = sorted(set(effects[column][used].tolist()))
        estimates = tuple(_pool(effects, used & (effects[column] == x), f"{column}/{x}", x) for x in levels)
        test = TestResult("HTZ", 2.31, len(levels) - 1, 6.4, 0.163, "Satterthwaite-type degrees of freedom")
        out.append(
            Question(
                column,
                "subgroup",
                title,
                estimates,
                test,
                "The classes do not differ detectably.",
                ("Exploratory.",),
            )
        )
    late = used & (effects["weeks_after_treatment"] >= 26)
    out.append(
        Question(
            "persistence",
            "persistence",
            "Does the effect last for six months?",
            (
                _pool(effects, late, "persistence/late", "follow-ups of 26 weeks or more"),
                _pool(effects, used, "persistence/at-26", "fitted at 26 weeks after treatment"),
            ),
            answer="Few trials looked that far ahead.",
        )
    )
    slope = _pool(effects, used, "moderator/mean_age", "mean age")
    slope = Estimate(
        slope.key,
        slope.label,
        "slope",
        0.021,
        0.034,
        -0.06,
        0.10,
        5.2,
        0.56,
        n_trials=slope.n_trials,
        n_effects=slope.n_effects,
        unit="10 years",
    )
    missing = Estimate(
        "moderator/percent_female",
        "% female",
        "slope",
        n_trials=8,
        available=False,
        reason="Too few trials (8 of 10 needed).",
        unit="10 points",
    )
    test = TestResult("HTZ", 0.38, 1, 5.2, 0.56)
    out += [
        Question("moderator/mean_age", "moderator", "Mean age", (slope,), test),
        Question("moderator/percent_female", "moderator", "% female", (missing,)),
        Question(
            "small-study",
            "small-study",
            "Small-study effects",
            (
                Estimate(
                    "small-study/egger",
                    "slope on √(1/nT + 1/nC)",
                    "slope",
                    0.81,
                    0.62,
                    -0.52,
                    2.14,
                    7.9,
                    0.23,
                    n_trials=overall.n_trials,
                ),
            ),
            TestResult("Egger sandwich", 1.31, 1, 7.9, 0.23),
        ),
    ]
    return tuple(out)


def _verdict(e: Estimate) -> str:
    if not e.available:
        return "unavailable"
    return "same" if e.ci_low > 0 else ("reversed" if e.ci_high < 0 else "weaker")


def _scenarios(effects: Effects, used: np.ndarray, overall: Estimate) -> tuple[Scenario, ...]:
    out = []

    def add(key: str, group: str, label: str, estimate: Estimate) -> None:
        out.append(Scenario(key, group, label, estimate, _verdict(estimate)))  # type: ignore[arg-type]

    for name, shift in (("low", -0.02), ("high", 0.03)):
        e = _pool(effects, used, f"r/{name}", f"r {name}")
        moved = Estimate(
            e.key,
            e.label,
            estimate=e.estimate + shift,
            se=e.se,
            ci_low=e.ci_low + shift - 0.02,
            ci_high=e.ci_high + shift,
            df=e.df,
            p_value=e.p_value,
            n_trials=e.n_trials,
            n_effects=e.n_effects,
        )
        add(f"r/{name}", "pre-post correlation", f"every assumed correlation {name}", moved)
    for rho in (0.2, 0.4, 0.8):
        add(
            f"rho/{rho}",
            "correlation between effects",
            f"ρ = {rho}",
            _pool(effects, used, f"rho/{rho}", f"rho {rho}"),
        )
    for study in dict.fromkeys(effects.study[used].tolist()):
        mask = used & (effects.study != study)
        add(
            f"loo/{study}",
            "one trial left out",
            f"without {study}",
            _pool(effects, mask, f"loo/{study}", study),
        )
    low = used & (effects["risk_of_bias"] != "high")
    add(
        "rob/not-high",
        "which trials",
        "without high risk of bias",
        _pool(effects, low, "rob/not-high", "not high"),
    )
    everyone = np.ones(effects.k, dtype=bool)
    add("all", "which trials", "non-randomised trials included", _pool(effects, everyone, "all", "all"))
    printed = used & (effects["route_code"] == "arm-means")
    add(
        "route/arm-means",
        "route to the effect",
        "only printed means with SD",
        _pool(effects, printed, "route/arm-means", "means"),
    )
    only = used & (effects["outcome"] == "nothing measured this")
    add("nothing", "which trials", "long-term trials only", _pool(effects, only, "nothing", "none"))
    return tuple(out)


def _averages(effects: Effects, used: np.ndarray) -> tuple[StudyAverage, ...]:
    rows = []
    for study in dict.fromkeys(effects.study[used].tolist()):
        mask = used & (effects.study == study)
        m = int(mask.sum())
        v = float(effects.v[mask].mean()) * (0.6 + 0.4 / m)
        rows.append((study, mask, float(effects.y[mask].mean()), v, m))
    total = sum(1 / (v + 0.03) for *_, v, _m in rows)
    return tuple(
        StudyAverage(
            study,
            study,
            effects["intervention_class"][mask][0],
            y,
            y - 1.96 * math.sqrt(v),
            y + 1.96 * math.sqrt(v),
            100 / (v + 0.03) / total,
            m,
            int(effects["n_people"][mask].max()),
            effects["risk_of_bias"][mask][0],
        )
        for study, mask, y, v, m in rows
    )


def _course(effects: Effects, used: np.ndarray, overall: Estimate) -> Course:
    weeks = tuple(float(w) for w in range(0, 53, 2))
    line = tuple(overall.estimate * math.exp(-w / 80) for w in weeks)
    band = tuple(overall.se * (1.9 + 0.03 * w) for w in weeks)
    w = 1 / (effects.v + 0.03)
    points = tuple(
        (
            str(effects.study[i]),
            str(effects["outcome"][i]),
            float(effects["weeks_after_treatment"][i]),
            float(effects.y[i]),
            float(100 * w[i] / w[used].sum()),
        )
        for i in np.flatnonzero(used)
    )
    return Course(
        weeks,
        line,
        tuple(a - b for a, b in zip(line, band, strict=True)),
        tuple(a + b for a, b in zip(line, band, strict=True)),
        points,
        "g against log(weeks + 1)",
    )


def _answer(overall: Estimate, questions: tuple[Question, ...]) -> tuple[Paragraph, ...]:
    percent = questions[1].estimates[2]
    return (
        Paragraph(
            "The answer",
            (
                "Across ",
                Bound(f"{overall.n_trials} trials", "overall.n_trials", overall.n_trials, "table-overall"),
                " the immune markers improved by ",
                Bound(
                    f"{overall.estimate:.2f} standard deviations",
                    "overall.estimate",
                    overall.estimate,
                    "table-overall",
                ),
                " on average. Beneficial markers rose by ",
                Bound(
                    f"{percent.estimate:.1f}%",
                    "family/beneficial/percent.estimate",
                    percent.estimate,
                    "table-overall",
                ),
                ". This says nothing about illness: an immune marker is a surrogate.",
            ),
        ),
    )


def example_analysis(
    n_trials: int = 14, seed: int = 1, *, per_trial: int = 0, labels: tuple[str, ...] = ()
) -> Analysis:
    """An analysis of `n_trials` made-up trials with 1 to 3 effects each.

    per_trial : effects per trial if not 0; labels : names of the first trials (hostile ones, say).
    """
    rng = np.random.default_rng(seed)
    plan = example_plan()
    trials = example_trials(n_trials, rng, labels)
    effects = example_effects(trials, rng, per_trial)
    used = effects["pooled"] > 0
    overall = _pool(effects, used, "overall", "All outcomes")
    ratios = Effects(-0.5 * effects.y, 0.3 * effects.v, effects.study, "lnrr", (), effects.columns)
    questions = _questions(effects, used, overall)
    empty = Columns("arms.csv", np.arange(0), {})
    notes = (
        Note(
            "ci-excludes-estimate",
            "error",
            "The estimate lies outside its own interval.",
            "Check the cell.",
            "contrasts.csv",
            5,
            "difference_ci_low",
            "-94",
            "Aldana2007",
        ),
        Note(
            "skew-strong",
            "warning",
            "The SD is larger than the mean: the values are skewed.",
            "Analyse as logarithms.",
            "arms.csv",
            12,
            "sd",
            "21.4",
            "Oh2002",
        ),
        Note("df-below-four", "info", "Fewer than 4 degrees of freedom: the p-value is not trustworthy."),
    )
    return Analysis(
        plan=plan,
        reported=Reported(
            trials, empty, Columns("contrasts.csv", np.arange(0), {}), example_bias(trials), notes[:2]
        ),
        effects=effects,
        ratios=ratios,
        overall=overall,
        questions=questions,
        scenarios=_scenarios(effects, used, overall),
        tipping=(
            Tipping(
                "r",
                "pre-post correlation",
                0.12,
                "Only if every assumed pre-post correlation were below .12 would the interval include zero.",
            ),
            Tipping(
                "missing",
                "missing trials",
                float("nan"),
                "No plausible number of unpublished null trials changes the conclusion.",
            ),
        ),
        course=_course(effects, used, overall),
        studies=_averages(effects, used),
        answer=_answer(overall, questions),
        methods=(
            "Effects were standardised mean differences of change (Morris 2008).",
            "We fitted a CHE model.",
        ),
        references=(
            "Morris SB. Organizational Research Methods 2008;11:364-386.",
            "Pustejovsky JE, Tipton E. Prev Sci 2022;23:425-438.",
        ),
        assumptions=(
            "Pre-post correlation .62 for CRP (Navarro 2012).",
            "Correlation of effects within a trial ρ = .6.",
        ),
        notes=notes,
        provenance=Provenance(
            {"trials.csv": "0f" * 32, "arms.csv": "a1" * 32},
            {"consilience": "0.1.0", "numpy": "2.0.0"},
            20200603,
            '[review]\ntitle = "Example"\n',
            "from consilience.review import run\n",
        ),
    )
