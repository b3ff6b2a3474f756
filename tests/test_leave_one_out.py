"""Leave-one-out and cumulative analyses against a fit of each selection; order, ties, missing values."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consilience.base.errors import InputError, OptionError
from consilience.diagnostics import cumulative, leave_one_out
from consilience.models import fit
from consilience.records import Effects, Fit, Inner, Intercept, Refitted, Spec
from influence_brute import NESTED, several, single

FIELDS = ("estimate", "se", "df", "statistic", "p_value", "ci_low", "ci_high")


def assert_fits(ours: Fit, found: Refitted, keep: np.ndarray, *, rtol: float = 1e-10) -> None:
    """Each line is a fit of its rows."""
    for j, rows in enumerate(keep):
        if found.reason[j] and not np.isfinite(found.se[j]).all():
            continue
        matrix = ours.design.matrix[rows]
        rest = fit(ours.effects.take(rows), ours.spec, design=replace(ours.design, matrix=matrix))
        for name in FIELDS:
            theirs = getattr(rest.coefficients, name)
            np.testing.assert_allclose(getattr(found, name)[j], theirs, rtol, 1e-9, err_msg=f"{name} {j}")
        assert found.k[j] == rows.sum()
        assert found.tau2[j] == pytest.approx(rest.components.total, rel=1e-7, abs=1e-10)
        assert found.q[j] == pytest.approx(rest.heterogeneity.q, rel=1e-8, abs=1e-8)
        if rows.sum() > matrix.shape[1]:
            assert found.i2[j] == pytest.approx(rest.heterogeneity.i2, rel=1e-6, abs=1e-7, nan_ok=True)
            assert found.q_p[j] == pytest.approx(rest.heterogeneity.p_value, rel=1e-7, nan_ok=True)


@pytest.mark.parametrize("method", ["REML", "DL", "PM", "ML", "HS"])
@pytest.mark.parametrize("test", ["z", "knapp-hartung"])
def test_leave_one_out_univariate(method: str, test: str):
    effects, design = single(2)
    ours = fit(effects, Spec((Intercept(("row",)),), method, test), design=design)
    assert_fits(ours, leave_one_out(ours), ~np.eye(effects.k, dtype=bool))


@pytest.mark.parametrize("spec", [Spec.che(), Spec.correlated(), Spec.hierarchical(), NESTED])
def test_leave_one_out_by_study_of_dependent_effects(spec: Spec):
    effects, design = several(4, 8)
    ours = fit(effects, spec, design=design)
    found = leave_one_out(ours)
    assert found.label == effects.studies
    keep = np.array([effects.study != study for study in effects.studies])
    assert_fits(ours, found, keep, rtol=1e-6)


def test_cumulative_by_year_and_by_precision():
    effects, _ = single(6)
    ours = fit(effects, Spec.random_effects(test="z"))
    for order, values in (("year", effects["year"]), ("precision", effects.v)):
        found = cumulative(ours, order=order, by="effect")
        sequence = np.argsort(values, kind="stable")
        keep = np.array([np.isin(np.arange(effects.k), sequence[: i + 1]) for i in range(effects.k)])
        assert_fits(ours, found, keep)
        assert found.label == tuple(effects.study[sequence])
    np.testing.assert_allclose(found.estimate[-1], ours.coefficients.estimate)
    assert "as many coefficients" in found.reason[0]
    assert found.q[0] == 0
    assert found.h2[0] == 1


def test_cumulative_by_study_adds_all_its_effects():
    effects, _ = several(4, 8)
    ours = fit(effects, NESTED)
    found = cumulative(ours)
    first = {s: effects["year"][effects.study == s].min() for s in effects.studies}
    sequence = sorted(effects.studies, key=lambda s: first[s])
    assert list(found.label) == sequence
    keep = np.array([np.isin(effects.study, sequence[: i + 1]) for i in range(len(sequence))])
    assert_fits(ours, found, keep, rtol=1e-6)


def test_ties_missing_values_and_direction():
    effects, _ = single(6, 6)
    year = np.array([2003.0, 2001.0, np.nan, 2001.0, 2002.0, 2003.0])
    name = np.array(["b", "a", "", "c", "a", None], dtype=object)
    effects = replace(effects, columns={"year": year, "name": name})
    ours = fit(effects, Spec.random_effects(test="z"))
    number = [label.removeprefix("Study ") for label in cumulative(ours).label]
    assert number == ["1", "3", "4", "0", "5", "2"]
    together = cumulative(ours, ties="together")
    assert together.label == ("Study 1, Study 3", "Study 4", "Study 0, Study 5", "Study 2")
    assert together.value == ("2001", "2002", "2003", "")
    assert list(together.k) == [2, 3, 5, 6]
    assert "1 case without a value last" in together.rule
    back = cumulative(ours, descending=True)
    assert [label.removeprefix("Study ") for label in back.label] == ["0", "5", "4", "1", "3", "2"]
    text = cumulative(ours, order="name")
    assert [label.removeprefix("Study ") for label in text.label] == ["1", "4", "0", "3", "2", "5"]
    assert cumulative(ours, order="precision", descending=True).k[0] == 1


def test_order_of_the_rows_does_not_matter_for_the_last_step():
    effects, design = single(6)
    ours = fit(effects, Spec.random_effects(), design=design)
    rng = np.random.default_rng(1)
    order = rng.permutation(effects.k)
    shuffled = Effects(effects.y[order], effects.v[order], effects.study[order])
    again = fit(shuffled, ours.spec, design=replace(design, matrix=design.matrix[order]))
    a, b = leave_one_out(ours, coefficient="x"), leave_one_out(again, coefficient="x")
    np.testing.assert_allclose(a.estimate[order], b.estimate, rtol=1e-9)
    assert a.focus == 1


def test_first_steps_of_a_regression_have_a_reason():
    effects, design = single(6)
    found = cumulative(fit(effects, Spec.random_effects(test="z"), design=design), by="effect")
    assert found.reason[0] == "1 of its effects are left for 2 coefficients"
    assert np.isnan(found.estimate[0]).all()
    assert "as many coefficients" in found.reason[1]
    assert found.reason[2] == ""


def test_a_level_that_disappears_has_a_reason():
    effects, _ = several(3, 8, blocks=False)
    outcome = np.where(effects.study == "S1", "rare", "usual").astype(object)
    effects = replace(effects, columns={**effects.columns, "outcome": outcome})
    found = leave_one_out(fit(effects, Spec((Inner("outcome", "study", "DIAG"),), "REML", "z")))
    assert [bool(r) for r in found.reason] == [s == "S1" for s in effects.studies]


def test_choices_are_checked():
    effects, _ = single()
    ours = fit(effects, Spec.random_effects())
    with pytest.raises(InputError, match="weeks"):
        cumulative(ours, order="weeks")
    with pytest.raises(OptionError, match="together"):
        cumulative(ours, ties="both")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="intercept"):
        leave_one_out(ours, coefficient="slope")
    empty = replace(effects, columns={"year": np.full(effects.k, np.nan)})
    with pytest.raises(InputError) as missing:
        cumulative(fit(empty, Spec.random_effects()))
    assert missing.value.code == "no-order"
