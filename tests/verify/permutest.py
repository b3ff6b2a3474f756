"""permutest: exact permutation tests of univariate models, and their intervals; the options of its control list.

R's search for a limit of an interval stops at eps^(1/4) = 1.2e-4; ours goes on to the jump of the p-value, so a limit is
compared with that tolerance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from consilience.diagnostics.permutation import counts, p_values, permutation_test
from consilience.diagnostics.permutation_interval import permutation_interval
from verify import Outcome
from verify._r_call import Call, numbers, parse
from verify._tally import Tally
from verify.rma_uni import Case

TOPIC = "permutest"
ALTERNATIVES = {"two.sided": "two-sided", "greater": "greater", "less": "less"}
DEFINITIONS = {"abs": "two-sided", "px2": "two-sided-doubled"}
ROOT = 1.3e-4


def options(call: Call) -> dict[str, Any]:
    """Named arguments of the call and of its control list together."""
    control = call.kwargs.get("control")
    return {**call.kwargs, **(control.kwargs if isinstance(control, Call) else {})}


def check(case: dict, datasets: dict, cases: dict) -> Outcome:
    call = parse(case["call"])
    chosen = options(call)
    fit = Case(call.args[0], datasets, cases).fit()
    alternative = ALTERNATIVES[chosen.get("alternative", "two.sided")]
    if alternative == "two-sided":
        alternative = DEFINITIONS[chosen.get("p2defn", "abs")]
    statistic = "coefficient" if chosen.get("stat") == "coef" else "test"
    ours = permutation_test(fit, exact=True, alternative=alternative, statistic=statistic)
    out, tally, p, joint = case["out"], Tally(1e-12), ours.p_value, ours.omnibus[1]
    if "comptol" in chosen:
        slack = np.full(len(p), float(chosen["comptol"]))
        extreme = counts(ours.distribution, ours.observed, slack, alternative)
        p = p_values(extreme, ours.iterations, True, alternative)[0]
    error = 0.0
    if not chosen.get("exact"):  # random permutations of R: within five of its Monte-Carlo standard errors
        error = 5 * np.sqrt(np.max(p * (1 - p)) / float(chosen.get("iter", 1000.0)))
    tally.add("pval", p, out["pval"], atol=error)
    tally.add("QMp", joint, out["QMp"], atol=max(error, 1e-12))
    tally.add(
        "zval", fit.coefficients.statistic, out["zval"], rtol=0.0, atol=1e-4
    )  # R's default stopping rule
    if chosen.get("permci") and "ci_lb" in out:
        level = float(numbers(chosen.get("level", 100 * fit.spec.level))[0]) / 100
        limits = [permutation_interval(fit, name, exact=True, level=level) for name in fit.coefficients.names]
        low, high = np.array([limit.low for limit in limits]), np.array([limit.high for limit in limits])
        tally.add("ci_lb", low, out["ci_lb"], rtol=0.0, atol=ROOT)
        tally.add("ci_ub", high, out["ci_ub"], rtol=0.0, atol=ROOT)
    return tally.outcome()
