"""Is the funnel asymmetric? Every test of `ASYMMETRY_TESTS`, for independent and for dependent effects."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...base.errors import InputError
from ...base.format import number, plural
from ...base.options import choose
from ...models import fit
from ...records import Design, Effects, Fit, Interval, Note, Spec
from ...records.small_study import NAN, Asymmetry
from .batch import AsymmetryMany, asymmetry_many, predictor_values, response
from .registry import ASYMMETRY_TESTS, DEPENDENT, MODEL_WORDS, PREDICTORS, TESTS, Rule, spec_of
from .studies import Question, question_of, studies_of

FEWEST_STUDIES = 10
LEAST_SPREAD = 2.0  # largest over smallest standard error
FORCE = (
    "force=True does it all the same; the test has next to no power then, and a clear result means little."
)


@dataclass(frozen=True)
class Asked:
    """How to do the test, where it differs from the rule's own way."""

    predictor: str
    method: str
    reference: str
    level: float


def asymmetry_test(
    data: Fit | Effects,
    *,
    test: str = "auto",
    predictor: str = "",
    method: str = "",
    reference: str = "",
    level: float = 0.95,
    force: bool = False,
) -> Asymmetry:
    """Test whether small studies show other effects than large ones.

    Parameters
    ----------
    data : effects, or a fit: its moderators are kept, and ``"auto"`` uses its model.
    test : a name in `ASYMMETRY_TESTS`. ``"auto"``: for a fit its own model with the predictor added; for effects
        ``"egger"``, or ``"egger-che"`` where effects depend on each other.
    predictor : a name in `PREDICTORS` instead of the test's; method, reference : estimator of tau^2 and distribution
        (``"z"``, ``"t"``, ``"knapp-hartung"``) of a mixed-effects regression.
    force : test also fewer than 10 studies, or studies of nearly equal precision.

    Raises
    ------
    InputError ``too-few-studies`` and ``no-spread-in-precision`` (largest SE below twice the smallest) unless forced;
    ``dependent-effects`` for a test that needs independent ones; ``column-needed``.

    Source: see `ASYMMETRY_TESTS`; when to test: Sterne et al. (2011), BMJ 343:d4002; Ioannidis & Trikalinos (2007),
    CMAJ 176:1091 (ten studies; ratio of the variances at least 4).
    """
    question = question_of(data)
    name = _automatic(question) if test == "auto" else choose(test, ASYMMETRY_TESTS, what="Test")
    rule = ASYMMETRY_TESTS[name]
    if rule.model not in DEPENDENT and not (test == "auto" and question.spec is not None):
        question.independent(rule.title)
    if predictor:
        rule = replace(rule, predictor=choose(predictor, PREDICTORS, what="Predictor"))
    question, x, spread = _usable(question, rule)
    notes = permitted(question, spread, force=force)
    asked = Asked(predictor, method or _method(question), reference, level)
    if rule.model == "rank":
        return _rank(name, rule, question, asked, notes)
    if rule.response is not None:
        return _own_response(name, rule, question, asked, notes)
    return _regression(
        name, rule, question, x, (asked, _spec(question, rule, asked, own=test == "auto"), notes)
    )


def _automatic(question: Question) -> str:
    if question.spec is not None and not question.dependent:
        return "egger-mixed"
    return "egger-che" if question.dependent else "egger"


def _method(question: Question) -> str:
    spec = question.spec
    return spec.method if spec is not None and spec.terms and not question.dependent else "REML"


def _usable(question: Question, rule: Rule) -> tuple[Question, np.ndarray, float]:
    """The rows that have all that the test needs, the predictor (k,), and the ratio of largest to smallest SE."""
    studies = studies_of(question.effects)
    if rule.deviates is not None:
        _, working = rule.deviates(studies)
        return question.take(np.isfinite(working[0])), np.empty(0), _ratio(working[0])
    pair = response(rule, studies)
    x = predictor_values(rule.predictor, studies, pair)[0]
    keep = np.isfinite(x) & np.isfinite(pair[1][0])
    precision = x[keep] ** 2 if rule.predictor == "arms" else pair[1][0][keep]
    return question.take(keep), x[keep], _ratio(precision)


def _ratio(v: np.ndarray) -> float:
    v = v[np.isfinite(v)]
    return float(np.sqrt(v.max() / v.min())) if len(v) else NAN


def permitted(question: Question, spread: float, *, force: bool) -> tuple[Note, ...]:
    """Refusals, or notes of what was forced."""
    n = question.effects.n_studies
    found = []
    if n < FEWEST_STUDIES:
        found.append(
            (
                "too-few-studies",
                f"{plural(n, 'study', 'studies')}; a test of asymmetry needs {FEWEST_STUDIES}.",
            )
        )
    if not spread >= LEAST_SPREAD:
        text = (
            f"The largest standard error is only {number(spread)} times the smallest; "
            f"below {LEAST_SPREAD:g} there is no spread in precision to compare."
        )
        found.append(("no-spread-in-precision", text))
    if found and not force:
        code, text = found[0]
        raise InputError(text, code=code, advice=FORCE)
    if question.effects.k < 3 or not spread > 1 + 1e-9:
        raise InputError("A line needs three effects of different precision.", code="too-few-studies")
    return tuple(Note(code, "warning", text, "Tested because it was forced.") for code, text in found)


def _spec(question: Question, rule: Rule, asked: Asked, *, own: bool) -> Spec:
    """The model of the regression: the fit's where it has one that fits the rule, else the rule's."""
    given = question.spec
    if (given is not None and own) or (
        given is not None and rule.model == "che" and given.terms and given.test.startswith("CR")
    ):
        spec = given
    else:
        reference = asked.reference or rule.reference
        return spec_of(rule.model, method=asked.method, reference=reference, level=asked.level)
    if asked.reference and not question.dependent:
        spec = replace(spec, test=choose(asked.reference, TESTS, what="Reference"))
    return replace(spec, level=asked.level)


def with_predictor(question: Question, x: np.ndarray, name: str) -> Design:
    """The design with a last column x (k,)."""
    old = question.design
    return Design(np.column_stack([old.matrix, x]), (*old.names, name), f"{old.formula} + {name}")


def _regression(
    name: str, rule: Rule, question: Question, x: np.ndarray, how: tuple[Asked, Spec, tuple[Note, ...]]
) -> Asymmetry:
    asked, spec, notes = how
    predictor = PREDICTORS[rule.predictor]
    found = fit(question.effects, spec, design=with_predictor(question, x, predictor.title))
    c = found.coefficients
    plain = question.design.matrix.shape[1] == 1 and bool((question.design.matrix == 1).all())
    limit = None
    if plain and predictor.at_zero:
        limit = Interval(float(c.estimate[0]), float(c.ci_low[0]), float(c.ci_high[0]))
    return Asymmetry(
        test=name,
        title=rule.title,
        statistic=float(c.statistic[-1]),
        df=float(c.df[-1]),
        p_value=float(c.p_value[-1]),
        quantity=f"slope of the {predictor.title}",
        estimate=float(c.estimate[-1]),
        se=float(c.se[-1]),
        ci_low=float(c.ci_low[-1]),
        ci_high=float(c.ci_high[-1]),
        limit=limit,
        model=_words(rule, spec, question, c.method),
        k=question.effects.k,
        n_studies=question.effects.n_studies,
        level=asked.level,
        notes=(*notes, *found.notes),
    )


def _words(rule: Rule, spec: Spec, question: Question, method: str) -> str:
    if (
        question.spec is not None
        and spec.terms == question.spec.terms
        and spec.method == question.spec.method
    ):
        return f"the model of the fit ({spec.method}, {method}) with the predictor added"
    if rule.model == "additive":
        return f"{MODEL_WORDS['additive']}, τ² by {spec.method}, {method}"
    return MODEL_WORDS[rule.model]


def _many(name: str, rule: Rule, question: Question, asked: Asked) -> AsymmetryMany:
    return asymmetry_many(
        studies_of(question.effects),
        name,
        predictor=asked.predictor,
        method=asked.method,
        reference=asked.reference,
        level=asked.level,
    )


def _own_response(
    name: str, rule: Rule, question: Question, asked: Asked, notes: tuple[Note, ...]
) -> Asymmetry:
    """A test with effects of its own (scores, log odds ratios with other variances)."""
    found = _many(name, rule, question, asked)
    line, b = found.line, found.coefficients
    if line is None or b is None or not np.isfinite(found.statistic[0]):
        raise InputError("The predictor does not vary between these studies.", code="no-spread-in-precision")
    return Asymmetry(
        test=name,
        title=rule.title,
        statistic=float(found.statistic[0]),
        df=float(line.df[0]),
        p_value=float(found.p_value[0]),
        quantity=f"slope of the {_own_predictor(name, rule)}",
        estimate=float(b[0, 1]),
        se=float(line.se[0, 1]),
        ci_low=float(line.ci_low[0, 1]),
        ci_high=float(line.ci_high[0, 1]),
        limit=None,
        model=MODEL_WORDS[rule.model],
        k=question.effects.k,
        n_studies=question.effects.n_studies,
        level=asked.level,
        notes=notes,
    )


def _own_predictor(name: str, rule: Rule) -> str:
    special = {"harbord": "1 / sqrt(variance of the score)", "deeks": "1 / sqrt(effective sample size)"}
    title = PREDICTORS[rule.predictor].title
    return special.get(name, title) if rule.predictor == "se" else title


def _rank(name: str, rule: Rule, question: Question, asked: Asked, notes: tuple[Note, ...]) -> Asymmetry:
    """Kendall's tau; `reference` ``"z"`` asks for the normal approximation."""
    ranks = _many(name, rule, question, asked).ranks
    if ranks is None or not ranks.se[0] > 0:
        raise InputError("The ranks of these studies do not vary.", code="no-spread-in-precision")
    exact = asked.reference != "z"
    shown_exact = exact and not ranks.tied[0] and ranks.k[0] < 50
    return Asymmetry(
        test=name,
        title=rule.title,
        statistic=float(ranks.s[0]) if shown_exact else float(ranks.z[0]),
        df=NAN if shown_exact else float("inf"),
        p_value=float(ranks.p_value(exact=exact)[0]),
        quantity="Kendall's τ of effect and variance",
        estimate=float(ranks.tau[0]),
        se=NAN,
        ci_low=NAN,
        ci_high=NAN,
        limit=None,
        model=f"rank correlation, S = {ranks.s[0]:.0f} with standard error {number(float(ranks.se[0]))}, "
        + ("exact" if shown_exact else "normal approximation"),
        k=question.effects.k,
        n_studies=question.effects.n_studies,
        level=asked.level,
        notes=notes,
    )
