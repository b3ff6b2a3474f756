"""Single fits by the compiled kernels: the numbers of NumPy, whatever the structure."""

from __future__ import annotations

import numpy as np
import pytest

from consilience.base.errors import InputError
from consilience.likelihood import compiled as switch
from consilience.likelihood.compiled import compiled
from consilience.models import fit, refit_many
from consilience.records import Block, Design, Effects, Inner, Intercept, Known, Spec

pytest.importorskip("numba")

STRUCTURES = {
    "unstructured": Spec((Inner("outcome", "study", "UN"),), "REML", "z"),
    "unstructured, ML": Spec((Inner("outcome", "study", "UN"),), "ML", "z"),
    "unstructured and rows": Spec((Inner("outcome", "study", "UN"), Intercept(("row",))), "REML", "z"),
    "diagonal": Spec((Inner("outcome", "study", "DIAG"),), "REML", "z"),
    "two intercepts": Spec(
        (Intercept(("study",)), Intercept(("outcome",)), Intercept(("row",))), "REML", "z"
    ),
}


def several(seed: int, *, studies: int = 7, outcomes: int = 3) -> tuple[Effects, Design]:
    """Each study has some of the outcomes, with correlated errors and true effects."""
    rng = np.random.default_rng(seed)
    root = rng.normal(0, 0.4, (outcomes, outcomes))
    y, v, study, outcome, blocks = [], [], [], [], []
    for i in range(studies):
        has = np.flatnonzero(rng.random(outcomes) < 0.75)
        has = has if len(has) else np.array([0])
        variance = np.exp(rng.uniform(-5, -1, len(has)))
        matrix = 0.5 * np.sqrt(np.outer(variance, variance))
        np.fill_diagonal(matrix, variance)
        blocks.append(Block(np.arange(len(has)) + len(y), matrix))
        y += (
            0.3 * has
            + (root @ rng.normal(size=outcomes))[has]
            + rng.multivariate_normal(0 * variance, matrix)
        ).tolist()
        v += variance.tolist()
        study += [f"s{i}"] * len(has)
        outcome += [f"o{j}" for j in has]
    levels = sorted(set(outcome))
    x = np.array([[o == level for level in levels] for o in outcome], dtype=float)
    effects = Effects(
        np.array(y),
        np.array(v),
        np.array(study),
        blocks=tuple(blocks),
        columns={"outcome": np.array(outcome)},
    )
    return effects, Design(x, tuple(levels))


@pytest.mark.parametrize("name", STRUCTURES)
def test_the_same_numbers_as_numpy(name):
    for seed in range(25):
        effects, design = several(seed)
        slow = fit(effects, STRUCTURES[name], design=design)
        with compiled():
            fast = fit(effects, STRUCTURES[name], design=design)
        assert fast.loglik == pytest.approx(slow.loglik, rel=1e-10, abs=1e-10)
        assert fast.optimum.status == slow.optimum.status
        assert fast.optimum.score < 1e-6
        gap = (fast.coefficients.estimate - slow.coefficients.estimate) / slow.coefficients.se
        assert np.abs(gap).max() < 1e-7
        assert fast.coefficients.se == pytest.approx(slow.coefficients.se, rel=1e-6)


def test_one_effect_per_study_goes_through_it():
    rng = np.random.default_rng(3)
    for _ in range(25):
        k = int(rng.integers(2, 14))
        v = np.exp(rng.uniform(-6, 0, k))
        effects = Effects(rng.normal(0, np.sqrt(v + 0.1)), v, np.arange(k).astype(str))
        for spec in (Spec.random_effects(), Spec((Intercept(("row",)),), "ML", "z")):
            slow = fit(effects, spec)
            with compiled():
                fast = fit(effects, spec)
            assert fast.components.total == pytest.approx(slow.components.total, rel=1e-10, abs=1e-13)
            assert fast.coefficients.estimate == pytest.approx(
                slow.coefficients.estimate, rel=1e-10, abs=1e-12
            )
            assert fast.optimum.status == slow.optimum.status


def test_a_singular_covariance_has_no_likelihood_there_either():
    """A known matrix of rank one and no sampling variance beside it: both paths end alike."""
    effects, _ = several(1)
    known = Known("outcome", np.ones((3, 3)), ("o0", "o1", "o2"))
    spec = Spec((known, Intercept(("row",))), "REML", "z")
    with compiled():
        fast = fit(effects, spec)
    assert fast.loglik == pytest.approx(fit(effects, spec).loglik, rel=1e-10)


def test_many_refits_are_those_one_by_one():
    effects, design = several(2)
    whole = fit(effects, STRUCTURES["unstructured"], design=design)
    keep = np.ones((12, effects.k), dtype=bool)
    keep[np.arange(12), np.arange(12) % effects.k] = False
    with compiled():
        fast = refit_many(whole, keep=keep)
    slow = refit_many(whole, keep=keep)
    assert (fast.ok == slow.ok).all()
    np.testing.assert_allclose(fast.estimate[fast.ok], slow.estimate[slow.ok], rtol=1e-7, atol=1e-9)


def test_without_numba_it_says_so(monkeypatch):
    monkeypatch.setattr(switch, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="numba") as caught, compiled():
        pass
    assert caught.value.code == "numba-missing"


def test_it_ends_with_its_body():
    def fails() -> None:
        with compiled():
            assert switch.wanted()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert not switch.wanted()
