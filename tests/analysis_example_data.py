"""The made-up trials, risk of bias and effects behind `example_analysis`."""

from __future__ import annotations

import math

import numpy as np

from consilience.records import (
    Block,
    Columns,
    Correlation,
    Decision,
    Dropped,
    Effects,
    Moderator,
    OutcomeRule,
    Plan,
)

CLASSES = ("cbt", "mindfulness or mind-body", "psychoeducation", "multiple or combined", "behavior therapy")
OUTCOMES = (
    ("CRP", "proinflammatory cytokine or marker", "lower", "harmful", "log", 1.0),
    ("IL-6", "proinflammatory cytokine or marker", "lower", "harmful", "log", 0.8),
    ("TNF-α", "proinflammatory cytokine or marker", "lower", "harmful", "log", 0.6),
    ("NK cell cytotoxicity", "NK cell cytotoxicity", "higher", "beneficial", "raw", 0.5),
    ("CD4+ T-cell count", "immune cell count", "higher", "beneficial", "raw", 0.4),
    ("Influenza antibody titre", "antibody levels", "higher", "beneficial", "log", 1.1),
)
NAMES = (
    "Shen",
    "Oh",
    "Vos",
    "Kamioka",
    "Ruan",
    "Goldberg",
    "Aldana",
    "Diez",
    "Zgierska",
    "Antoni",
    "Creswell",
    "Malarkey",
    "Kiecolt-Glaser",
    "Irwin",
    "Barrett",
    "Miller",
    "Koschwanez",
    "Vedhara",
    "Sánchez-Ortúzar",
    "Łukaszewicz-Dąbrowska",
)
PRISMA = {
    "identified": 4621,
    "duplicates": 1480,
    "automation": 0,
    "other": 12,
    "screened": 3129,
    "excluded": 2508,
    "sought": 621,
    "not_retrieved": 23,
    "assessed": 598,
    "reasons": {"not randomised": 301, "no immune outcome": 214, "no usable numbers": 27},
    "new_reports": 56,
    "previous": 0,
    "total": 56,
}
ROUTES = (
    ("pre and post means with SD", "arm-means"),
    ("change means with CI over the baseline SD", "arm-changes"),
    ("geometric means with CI, as logarithms", "arm-geometric"),
    ("from F(1, 33), arms 18/17, change-score d", "contrast-f"),
)


def _objects(values: list) -> np.ndarray:
    out = np.empty(len(values), dtype=object)
    out[:] = values
    return out


def example_plan(persistence: float = 26.0) -> Plan:
    r = Correlation(0.62, 0.49, 0.75, "Navarro 2012 (hsCRP, 6 weeks)")
    rules = {n: OutcomeRule(n, c, b, f, s, r, sd) for n, c, b, f, s, sd in OUTCOMES}
    return Plan(
        title="Do psychosocial interventions improve the immune system?",
        sample="synthetic",
        sample_note="Numbers made up to test the report; no trial here is real.",
        seed=20200603,
        question={
            "population": "adults and children, healthy or ill",
            "intervention": "psychosocial interventions",
            "comparator": "usual care, wait list, attention or information",
            "outcome": "immune markers",
        },
        intervention_classes=CLASSES,
        outcome_classes=tuple(dict.fromkeys(o[1] for o in OUTCOMES)),
        outcomes=rules,
        decisions=(
            Decision(
                "arms",
                "exclude",
                {"study": "Shen2001", "source": "Table 5"},
                "The paper prints two incompatible sets of values; Tables 3 and 4 agree with the text.",
            ),
            Decision(
                "trials",
                "set",
                {"study": "Oh2002"},
                "Printed in the registry entry.",
                {"n_randomised": "162"},
            ),
        ),
        moderators=(
            Moderator("mean_age", "mean age", unit="years", per=10),
            Moderator("percent_female", "% female", unit="points", per=10),
            Moderator("risk_of_bias", "risk of bias", kind="category"),
        ),
        persistence_weeks=persistence,
        prisma=PRISMA,
    )


def example_trials(n: int, rng: np.random.Generator, labels: tuple[str, ...]) -> Columns:
    studies = [labels[i] if i < len(labels) else f"{NAMES[i % len(NAMES)]}{2001 + i}" for i in range(n)]
    pick = [CLASSES[i] for i in rng.choice(len(CLASSES), n, p=[0.35, 0.25, 0.2, 0.12, 0.08])]
    sizes = np.round(np.exp(rng.normal(4.3, 0.7, n)))
    data = {
        "study": _objects(studies),
        "citation": _objects(
            [f"{s} et al. Journal of Made-up Trials 2001;1:{i + 1}" for i, s in enumerate(studies)]
        ),
        "year": 2001.0 + np.arange(n) % 22,
        "country": _objects([("USA", "China", "Sweden", "Japan")[i % 4] for i in range(n)]),
        "population": _objects(
            [("adults with cancer", "healthy workers", "adults with HIV")[i % 3] for i in range(n)]
        ),
        "intervention_class": _objects(pick),
        "n_randomised": sizes,
        "mean_age": np.round(rng.normal(48, 14, n), 1),
        "percent_female": np.round(rng.uniform(20, 90, n), 1),
        "treatment_weeks": np.array([8.0, 10.0, 13.0, np.nan])[np.arange(n) % 4],
        "n_sessions": np.array([8.0, 16.0, np.nan])[np.arange(n) % 3],
        "control_type": _objects([("usual care", "wait list", "attention")[i % 3] for i in range(n)]),
        "randomised": _objects(["no" if i % 9 == 8 else "yes" for i in range(n)]),
        "risk_of_bias": _objects([("low", "some", "high", "some", "")[i % 5] for i in range(n)]),
        "source": _objects([f"PMC{1000 + i}, Table 2" for i in range(n)]),
        "licence": _objects(["CC BY"] * n),
        "note": _objects(["Attrition 34%; analysis of completers." if i % 4 == 1 else "" for i in range(n)]),
    }
    return Columns("trials.csv", np.arange(2, n + 2), data)


def example_bias(trials: Columns) -> Columns:
    names = ["study", "result", "overall", "overall_reason", "judged_by"]
    rows = [i for i in range(len(trials)) if trials["risk_of_bias"][i]]
    data: dict[str, np.ndarray] = {name: np.empty(len(rows), dtype=object) for name in names}
    for d in range(1, 6):
        data[f"d{d}"] = _objects([("low", "some", "high", "low", "some")[(i + d) % 5] for i in rows])
        data[f"d{d}_reason"] = _objects([f"Reason given for domain {d}." for _ in rows])
    data["study"] = _objects([trials["study"][i] for i in rows])
    data["result"] = _objects(["main immune outcome after treatment" for _ in rows])
    data["overall"] = _objects([trials["risk_of_bias"][i] for i in rows])
    data["overall_reason"] = _objects(["Allocation not described." for _ in rows])
    data["judged_by"] = _objects(["one reader" for _ in rows])
    return Columns("risk_of_bias.csv", np.arange(2, len(rows) + 2), data)


def example_effects(trials: Columns, rng: np.random.Generator, per_trial: int) -> Effects:
    rows: list[dict] = []
    blocks = []
    class_effect = dict(zip(CLASSES, (0.42, 0.30, 0.08, 0.38, 0.15), strict=True))
    for t in range(len(trials)):
        n = trials["n_randomised"][t]
        nt, nc = max(6.0, float(n // 2)), max(6.0, float(n - n // 2 - rng.integers(0, 4)))
        true = rng.normal(class_effect[trials["intervention_class"][t]], 0.15)
        outcomes = rng.choice(len(OUTCOMES), min(len(OUTCOMES), int(rng.integers(1, 4))), replace=False)
        first = len(rows)
        for repeat in range(per_trial if per_trial else len(outcomes)):
            o = OUTCOMES[outcomes[repeat % len(outcomes)]]
            late = bool(rng.random() < 0.35)
            after = float(rng.choice([13, 26, 39, 52])) if late else 0.0
            route = ROUTES[int(rng.choice(4, p=[0.6, 0.2, 0.12, 0.08]))]
            g = rng.normal(true - 0.003 * after, math.sqrt((1 / nt + 1 / nc) * 0.9 + 0.01))
            v = (1 / nt + 1 / nc) * 2 * (1 - 0.62) * 1.05 + g * g / (2 * (nt + nc))
            row = {
                "outcome": o[0],
                "outcome_class": o[1],
                "better": o[2],
                "family": o[3],
                "treatment": "programme",
                "control": trials["control_type"][t],
                "time": "follow-up" if late else "post",
                "weeks": 10.0 + after,
                "weeks_after_treatment": after,
                "n_treatment": nt,
                "n_control": nc,
                "n_people": nt + nc,
                "r": 0.62,
                "r_source": "assumed (Navarro 2012)",
                "route": route[0],
                "route_code": route[1],
                "assumptions": "pre-post correlation .62 assumed; SD pooled over arms",
                "sd_used": 1.0,
                "log_sd": o[5],
                "file": "arms.csv",
                "lines": f"arms.csv rows {4 * len(rows) + 2}, {4 * len(rows) + 3}, {4 * len(rows) + 4}",
                "pooled": 0.0 if trials["randomised"][t] == "no" else 1.0,
                "why_not": "not randomised" if trials["randomised"][t] == "no" else "",
                "y": g,
                "v": v,
                "study": trials["study"][t],
            }
            for name in (
                "intervention_class",
                "randomised",
                "risk_of_bias",
                "year",
                "mean_age",
                "percent_female",
            ):
                row[name] = trials[name][t]
            rows.append(row)
        index = np.arange(first, len(rows))
        if len(index) > 1:
            s = np.sqrt([rows[i]["v"] for i in index])
            blocks.append(Block(index, np.outer(s, s) * (0.6 + 0.4 * np.eye(len(index)))))
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        columns[name] = _objects(values) if isinstance(values[0], str) else np.array(values, dtype=float)
    y, v, study = columns.pop("y"), columns.pop("v"), columns.pop("study")
    dropped = (
        Dropped(
            "Berger2008", "CD4+ T-cell count", "contrasts.csv", (7,), "no-arm-sizes", "Arm sizes unknown."
        ),
        Dropped(
            "Creswell2012",
            "IL-6",
            "contrasts.csv",
            (9, 10),
            "p-without-direction",
            "The p-value has no direction.",
        ),
    )
    return Effects(y, v, study, "ppc-g", tuple(blocks), columns, dropped)
