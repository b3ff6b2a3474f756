"""What the chosen interval and test really do on this review's own design, by simulating from its fitted model.

The estimates of linear models move with the true coefficient and keep their distribution, so one set of refits per
scenario gives coverage, type I error and the power for every true effect: zero is rejected at effect d where
|b* - beta + d| exceeds its half-width. All tests share the refits (`inference.many_tests`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..base.distributions import normal_cdf, t_isf
from ..base.errors import ConsilienceError, InputError
from ..base.options import choose
from ..base.shares import exact_interval
from ..inference.intervals import heterogeneity_intervals
from ..inference.many_tests import TESTS_AT_ONCE, ManyTests, many_tests
from ..models import profile_interval, refit_many
from ..models.refit import in_batches
from ..models.simulate import simulate
from ..models.simulate_selected import simulate_selected
from ..records import Fit, Intercept, Known, Note
from ..records.calibration import (
    Calibration,
    CalibrationScenario,
    MethodCalibration,
    PublicationRule,
    SelectedScenario,
    Share,
)

Progress = Callable[[str, int, int], None]
COMPARED = ("CR2", "knapp-hartung", "t", "z")
LABELS = {
    "CR2": "CR2, Satterthwaite",
    "knapp-hartung": "Knapp-Hartung",
    "knapp-hartung-floor": "Knapp-Hartung, floor",
    "t": "t, k \u2212 p df",
    "z": "Wald z",
}
PUBLISHED_HALF, PUBLISHED_FIFTH = PublicationRule(0.5), PublicationRule(0.2)
POINTS = 31  # of the power curve
ONE_BY_ONE, AT_ONCE = 50, 250  # replicates refitted between two reports of progress


@dataclass(frozen=True, eq=False)
class _Task:
    """What stays the same in all scenarios. at : index of the coefficient; poolable : a prediction interval exists."""

    fit: Fit
    at: int
    tests: tuple[str, ...]
    effect: float
    replicates: int
    rng: np.random.Generator
    progress: Progress

    @property
    def truth(self) -> float:
        return float(self.fit.coefficients.estimate[self.at])

    @property
    def poolable(self) -> bool:
        x = self.fit.design.matrix
        same = all(isinstance(t, (Intercept, Known)) for t in self.fit.spec.terms)
        return same and x.shape[1] == 1 and bool((x == 1).all())


@dataclass(frozen=True, eq=False)
class _Simulated:
    """Refits of one scenario: estimates and half-widths (F,) per test of those that could be fitted, tau2 (F,)."""

    tests: dict[str, ManyTests]
    tau2: np.ndarray
    failed: int


def calibrate(
    fit: Fit,
    *,
    replicates: int = 1000,
    effect: float = 0.2,
    selection: Sequence[PublicationRule] = (PUBLISHED_HALF, PUBLISHED_FIFTH),
    coefficient: str = "",
    rng: np.random.Generator,
    progress: Progress | None = None,
) -> Calibration:
    """Coverage, type I error, power and bias of a fit's own analysis, beside those of other tests.

    Data sets are drawn from N(X b, V + Z G Z') on the fit's own studies, sampling covariances and moderators: at the
    estimated variances, with no variance between effects, and with the first estimated variance at its upper limit
    (profile likelihood; Q-profile for moment estimators). Each is refitted and tested by CR2 with Satterthwaite degrees
    of freedom, Knapp-Hartung, t and z, and by the fit's own test. Then the same where results are published by rule.

    Parameters
    ----------
    replicates : data sets of each scenario.
    effect : true value of the coefficient for the power.
    selection : rules of publication; () = none. Positive effects are the wanted ones.
    coefficient : its name; "" = the first.
    progress : called with (stage, done, total).

    Raises
    ------
    InputError ``no-model-to-simulate``, ``one-cluster``, ``replicates``, ``effect`` (not finite), ``no-calibration``
    (location-scale models and given weights); OptionError for an unknown coefficient.

    Source: Morris, White & Crowther (2019), Stat Med 38:2074 (measures and their Monte-Carlo errors, table 6).
    """
    at = fit.coefficients.names.index(
        choose(coefficient or fit.coefficients.names[0], fit.coefficients.names, what="coefficient")
    )
    _check(fit, replicates, effect)
    own = (fit.spec.test,) if fit.spec.test not in COMPARED and fit.spec.test in TESTS_AT_ONCE else ()
    notes: list[Note] = []
    tests = _without_robust(fit, (*own, *COMPARED), notes)
    task = _Task(fit, at, tests, effect, replicates, rng, progress or (lambda stage, done, total: None))
    scenarios = [_scenario(task, key, label, theta) for key, label, theta in _variances(fit, notes)]
    selected = []
    try:
        for rule in selection:
            selected += [_selected(task, rule, truth) for truth in (task.truth, 0.0)]
    except InputError as error:
        if error.code not in ("clusters-not-independent", "too-many-effects"):
            raise
        notes.append(Note("no-selection", "info", f"Publication by rule was not simulated: {error}"))
    return Calibration(
        coefficient=fit.coefficients.names[at],
        estimate=task.truth,
        level=fit.spec.level,
        chosen=fit.spec.test,
        effect=effect,
        replicates=replicates,
        n_effects=fit.effects.k,
        n_studies=fit.effects.n_studies,
        scenarios=tuple(scenarios),
        selected=tuple(selected),
        notes=tuple(notes),
    )


def _check(fit: Fit, replicates: int, effect: float) -> None:
    if not np.isfinite(effect):
        raise InputError(f"The effect is {effect:g}; the power needs a finite number.", code="effect")
    if replicates < 2:
        raise InputError(f"{replicates} replicates show nothing; take at least 2.", code="replicates")
    if fit.spec.scale is not None or fit.spec.weights:
        raise InputError(
            "Models with a design of the variance or given weights cannot be calibrated yet.",
            code="no-calibration",
        )
    if fit.spec.test not in TESTS_AT_ONCE:
        raise InputError(
            f"The test {fit.spec.test} cannot be calibrated; these can: {', '.join(TESTS_AT_ONCE)}.",
            code="no-calibration",
        )


def _without_robust(fit: Fit, tests: tuple[str, ...], notes: list[Note]) -> tuple[str, ...]:
    """The tests that the model admits: no robust one where clusters are not independent."""
    try:
        many_tests(fit, fit.effects.y[None], fit.components.theta[None], tests=("CR0",))
    except InputError as error:
        if fit.spec.test.startswith("CR") or error.code not in ("clusters-not-independent", "one-cluster"):
            raise
        notes.append(Note("no-robust-test", "info", f"No robust test beside the others: {error}"))
        return tuple(t for t in tests if not t.startswith("CR"))
    return tests


def _variances(fit: Fit, notes: list[Note]) -> list[tuple[str, str, np.ndarray]]:
    """(key, label, theta) of each scenario; those that do not exist are noted."""
    theta = fit.components.theta
    found = [("fitted", "variances as estimated", theta)]
    plain = all(isinstance(t, (Intercept, Known)) for t in fit.spec.terms)
    free = [i for i, t in enumerate(fit.spec.terms) if plain and getattr(t, "variance", None) is None]
    if not free:
        if fit.spec.terms:
            notes.append(Note("variances-kept", "info", "Variances are examined at the fit's values only."))
        return found
    if np.any(theta[free] > 0):
        zero = theta.copy()
        zero[free] = 0.0
        found.append(("none", "no variance between effects", zero))
    name = fit.components.names[free[0]]
    try:
        high, how = _upper_limit(fit, name)
    except ConsilienceError as error:
        high, how = np.nan, str(error)
    if np.isfinite(high) and high > theta[free[0]]:
        upper = theta.copy()
        upper[free[0]] = high
        found.append(("upper", f"variance of {name} at its upper limit {high:.3g} ({how})", upper))
    else:
        notes.append(Note("no-upper-limit", "info", f"No finite upper limit of the variance of {name}."))
    return found


def _upper_limit(fit: Fit, name: str) -> tuple[float, str]:
    if fit.spec.method in ("ML", "REML"):
        return profile_interval(fit, name, level=fit.spec.level).high, "profile likelihood"
    return heterogeneity_intervals(fit, level=fit.spec.level).tau2.high, "Q-profile"


def _refitted(task: _Task, y: np.ndarray, stage: str) -> _Simulated:
    """All tests of the data sets y (F, k), from one refit of each."""
    plain = replace(task.fit, spec=replace(task.fit.spec, test="z"))
    theta, tau2, ok = [], [], []
    per = AT_ONCE if in_batches(plain) else ONE_BY_ONE
    for start in range(0, len(y), per):
        task.progress(stage, start, len(y))
        part = refit_many(plain, y=y[start : start + per])
        theta.append(part.theta)
        tau2.append(part.tau2)
        ok.append(part.ok)
    task.progress(stage, len(y), len(y))
    good = np.concatenate(ok)
    tests = many_tests(task.fit, y[good], np.concatenate(theta)[good], tests=task.tests)
    return _Simulated(tests, np.concatenate(tau2)[good], int(np.sum(~good)))


def _scenario(task: _Task, key: str, label: str, theta: np.ndarray) -> CalibrationScenario:
    y = simulate(task.fit, n=task.replicates, rng=task.rng, theta=theta)
    found = _refitted(task, y, f"Simulating: {label}")
    tau2 = float(np.sum(theta)) if task.poolable else np.nan
    first = next(iter(found.tests.values()))
    error = first.estimate[:, task.at] - task.truth
    widest = max(2 * abs(task.effect), 4 * float(np.std(error)))
    grid = np.linspace(0.0, widest, POINTS)
    halves = {t: m.half(task.fit.spec.level)[:, task.at] for t, m in found.tests.items()}
    curve = {t: np.array([_rejected(error, half, d).value for d in grid]) for t, half in halves.items()}
    return CalibrationScenario(
        key=key,
        label=label,
        theta=theta,
        tau2=tau2,
        methods=tuple(_method(task, t, (m, halves[t]), (found.tau2, tau2)) for t, m in found.tests.items()),
        bias=float(np.mean(error)),
        bias_se=float(np.std(error, ddof=1) / np.sqrt(len(error))),
        effects=grid,
        power=curve,
        replicates=len(error),
        failed=found.failed,
    )


def _method(
    task: _Task, test: str, made: tuple[ManyTests, np.ndarray], tau2: tuple[np.ndarray, float]
) -> MethodCalibration:
    """made : the test and its half-widths (F,); tau2 : estimated (F,), true."""
    found, half = made
    off, known = found.estimate[:, task.at] - task.truth, np.isfinite(half)
    return MethodCalibration(
        test=test,
        label=LABELS.get(test, test),
        coverage=_share((np.abs(off) <= half)[known]),
        rejected=_rejected(off, half, 0.0),
        power=_rejected(off, half, task.effect),
        prediction=_predicted(task, found, *tau2) if task.poolable else Share(),
        half_width=float(np.mean(half[known])) if known.any() else np.nan,
    )


def _rejected(off: np.ndarray, half: np.ndarray, effect: float) -> Share:
    """Share that rejects zero where the true coefficient is `effect`; data sets without a test are left out.

    off : (F,) estimates minus the truth; half : (F,) half-widths.
    """
    return _share((np.abs(off + effect) > half)[np.isfinite(half)])


def _predicted(task: _Task, found: ManyTests, estimated: np.ndarray, tau2: float) -> Share:
    """Probability that the prediction interval b* -/+ t sqrt(se^2 + tau^2*) holds a new true effect N(beta, tau^2)."""
    se, df = found.se[:, task.at], found.df[:, task.at]
    known = np.isfinite(se) & (df > 0)
    half = t_isf((1 - task.fit.spec.level) / 2, df[known]) * np.hypot(se[known], np.sqrt(estimated[known]))
    off = found.estimate[known, task.at] - task.truth
    if tau2 == 0:
        return _share(np.abs(off) <= half)
    chance = normal_cdf((off + half) / np.sqrt(tau2)) - normal_cdf((off - half) / np.sqrt(tau2))
    return mean_share(np.asarray(chance))


def _share(seen: np.ndarray) -> Share:
    n, count = len(seen), int(np.sum(seen))
    if n == 0:
        return Share()
    low, high = exact_interval(count, n)
    p = count / n
    return Share(p, float(np.sqrt(p * (1 - p) / n)), float(low), float(high), n)


def mean_share(chance: np.ndarray) -> Share:
    """A mean of probabilities (F,), with a normal interval."""
    if len(chance) < 2:
        return Share()
    p, se = float(np.mean(chance)), float(np.std(chance, ddof=1) / np.sqrt(len(chance)))
    return Share(p, se, max(p - 1.96 * se, 0.0), min(p + 1.96 * se, 1.0), len(chance))


def _selected(task: _Task, rule: PublicationRule, truth: float) -> SelectedScenario:
    x = task.fit.design.matrix
    beta = task.fit.coefficients.estimate.copy()
    beta[task.at] = truth
    y, published = simulate_selected(task.fit, rule, n=task.replicates, rng=task.rng, mean=x @ beta)
    found = _refitted(task, y, f"Simulating publication with probability {rule.probability:g}")
    error = next(iter(found.tests.values())).estimate[:, task.at] - truth
    methods = []
    for test, made in found.tests.items():
        half = made.half(task.fit.spec.level)[:, task.at]
        known = np.isfinite(half)
        covered = np.abs(made.estimate[:, task.at] - truth) <= half
        zero = np.abs(made.estimate[:, task.at]) > half
        methods.append(
            MethodCalibration(test, LABELS.get(test, test), _share(covered[known]), _share(zero[known]))
        )
    return SelectedScenario(
        key=f"{rule.by}-{rule.probability:g}-{'zero' if truth == 0 else 'fitted'}",
        rule=rule,
        truth=truth,
        bias=float(np.mean(error)),
        bias_se=float(np.std(error, ddof=1) / np.sqrt(len(error))),
        published=published,
        methods=tuple(methods),
        replicates=len(error),
        failed=found.failed,
    )
