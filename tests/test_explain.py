"""`explain`: every number on the way leads to the effect, and every row has its story."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from mpmath import mp, mpf

import consilience
from consilience.base.errors import InputError, UsageError
from consilience.cli.main import run_command_line
from consilience.effects import trial_effects, trial_ratios
from consilience.effects.candidates import Candidate
from consilience.effects.route_formulas import effect_formula
from consilience.records import Explanation, Way
from consilience.review.load import load
from review_tables import Review

SOURCE = Path(consilience.__file__).parent / "effects"


@pytest.fixture(scope="module")
def immune(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews") / "immune"
    consilience.copy_example("immune", folder)
    return load(folder)


def numbers(way: Way) -> dict[str, float]:
    return {step.what: step.value for step in way.steps}


def check_arithmetic(way: Way) -> None:
    """g = sign J difference/S and v = A (kT + kC) + h g^2 from the steps as shown; a missing step is 1 or 0."""
    n = numbers(way)
    over_s = n.get("S", 1.0) if way.code.split("-")[0] not in ("ratio",) else 1.0
    y = n.get("sign", 1.0) * n.get("J", 1.0) * n["difference, treated − control"] / over_s
    k = n["share of the treated arm, kT"] + n["share of the control arm, kC"]
    assert y == pytest.approx(way.y, rel=1e-12, abs=1e-15)
    assert n.get("A", 1.0) * k + n.get("h", 0.0) * y**2 == pytest.approx(way.v, rel=1e-12)
    assert (way.ci_high - way.ci_low) / 2 == pytest.approx(1.959963984540054 * math.sqrt(way.v), rel=1e-12)


def check_review(review) -> list[Way]:
    """Each effect by its number: the steps lead to exactly the number in the effects. Returns all ways."""
    effects, ratios = trial_effects(review.reported, review.plan), trial_ratios(review.reported, review.plan)
    percents = {}
    for j in range(ratios.k):
        key = tuple(ratios[c][j] for c in ("study", "outcome", "treatment", "control", "time", "weeks"))
        percents[str(key)] = ratios.y[j], ratios.v[j]
    ways = []
    for i in range(effects.k):
        (e,) = consilience.explain(review, i + 1).effects
        assert (e.number, e.study, e.outcome) == (i + 1, effects.study[i], effects["outcome"][i])
        assert (e.used.y, e.used.v, e.used.route) == (effects.y[i], effects.v[i], effects["route"][i])
        if e.second is None:
            assert math.isnan(effects["second_y"][i])
        else:
            assert (e.second.y, e.second.route) == (effects["second_y"][i], effects["second_route"][i])
            assert e.disagreement == e.second.y - e.used.y
        key = tuple(effects[c][i] for c in ("study", "outcome", "treatment", "control", "time", "weeks"))
        assert (None if e.percent is None else (e.percent.y, e.percent.v)) == percents.get(str(key))
        found = [w for w in (e.used, e.second, *e.other, e.percent) if w is not None]
        for way in found:
            check_arithmetic(way)
        ways += found
    return ways


def test_every_step_of_the_shipped_review_leads_to_its_effect(immune):
    ways = check_review(immune)
    assert len({way.code for way in ways}) >= 12


def test_every_route_has_a_formula():
    """All codes that routes give, read from their source; an f-string's end is a basis or a kind."""
    text = "\n".join(p.read_text(encoding="utf-8") for p in SOURCE.glob("*ro*.py")) + "\n".join(
        p.read_text(encoding="utf-8") for p in SOURCE.glob("ratio*.py")
    )
    codes = set(re.findall(r'code=f?"([a-z0-9{}.\'" _-]+?)"[,\s]', text)) - {"{code}-{info.basis}"}
    codes |= {f"{code}-{basis}" for code in ("t", "f", "p", "difference") for basis in ("change", "final")}
    assert len(codes) > 15
    for code in codes:
        basis = "change" if "change" in code or code.startswith("pre-post") else "final"
        candidate = Candidate(1, code, "", "", "", 0, 1, 10, 10, 0.1, 0.1, basis)
        assert effect_formula(candidate)[:2] in ("g ", "D "), code


def test_the_numbers_by_hand(tmp_path):
    """Trial A of the small review in 30 digits: Morris's g and variance with the printed SD of change on one side."""
    mp.dps = 30
    (e,) = consilience.explain(Review(tmp_path).load(), "arms.csv:4").effects
    n = numbers(e.used)
    s = mp.sqrt((29 * mpf("9.3") ** 2 + 29 * mpf("8.2") ** 2) / 58)
    j = mp.gamma(29) / (mp.sqrt(29) * mp.gamma(mpf(57) / 2))
    r = (mpf("9.3") ** 2 + mpf("10.5") ** 2 - 64) / (2 * mpf("9.3") * mpf("10.5"))
    difference = mpf("3.7") - mpf("0.6")
    k = [64 / (30 * s**2), 2 * (1 - mpf("0.5")) / 30]
    a = j**2 * mpf(58) / 56
    g = j * difference / s
    expected = {
        "people, treated": 30,
        "mean before, treated": mpf("31.5"),
        "SD after, treated": mpf("10.5"),
        "SD of change, treated": 8,
        "pre-post correlation r, treated": r,
        "pre-post correlation r, control": mpf("0.5"),
        "S": s,
        "difference, treated − control": difference,
        "share of the treated arm, kT": k[0],
        "share of the control arm, kC": k[1],
        "J": j,
        "A": a,
        "h": a - 1,
        "sign": 1,
    }
    for what, value in expected.items():
        assert n[what] == pytest.approx(float(value), rel=1e-10), what
    assert e.used.y == pytest.approx(float(g), rel=1e-12)
    assert e.used.v == pytest.approx(float(a * sum(k) + (a - 1) * g**2), rel=1e-10)
    assert e.use == "This row is used."


def test_a_row_shows_its_cells_and_all_rows_of_the_effect(tmp_path):
    review = Review(tmp_path).cells("arms", 4, raw_cell="35.2 ± 10.5", source="Table 2")
    found = consilience.explain(review.load(), "arms.csv:4")
    assert [(row.file, row.line) for row in found.rows] == [("arms.csv", line) for line in (4, 2, 3, 5)]
    cells = {cell.column: cell.text for cell in found.rows[0].cells}
    assert (cells["mean"], cells["raw_cell"], cells["unit"]) == ("35.2", "35.2 ± 10.5", "ng/mL")
    text = str(found)
    for word in ("arms.csv:4", "35.2 ± 10.5", "Table 2; ng/mL", "Morris 2008", "This row is used."):
        assert word in text
    assert max(map(len, text.splitlines())) <= 100


def test_a_second_opinion_and_its_disagreement(immune):
    """Koschwanez 2013: 16 of 21 against 8 of 19 by hand, ln(16 x 11/(5 x 8)) sqrt(3)/pi; then its chi-squared and p."""
    found = consilience.explain(immune, "Koschwanez2013")
    (e,) = found.effects
    assert e.used.y == pytest.approx(math.log(16 * 11 / (5 * 8)) * math.sqrt(3) / math.pi, rel=1e-12)
    assert e.second.code == "p-final"
    assert [way.code for way in e.other] == ["chi2"]
    assert f"The second opinion differs by −{abs(e.disagreement):.2f} from" in str(found)
    use = consilience.explain(immune, "contrasts.csv:9").effects[0].use
    assert use == "This row gives a second opinion; the effect is made from other printed numbers."


def test_decisions_that_touched_a_row(immune):
    (row,) = consilience.explain(immune, "arms.csv:7").rows
    assert len(row.decisions) == 1
    assert row.decisions[0].startswith("Excluded by a decision: The paper prints two incompatible sets")
    found = consilience.explain(immune, "contrasts.csv:2")
    became = {cell.column: (cell.text, cell.became) for cell in found.rows[0].cells if cell.became}
    assert became == {
        "difference": ("-23.17", "not used"),
        "difference_ci_low": ("-37.08", "not used"),
        "difference_ci_high": ("-9.26", "not used"),
        "n_treatment": ("", "now 50"),
        "n_control": ("", "now 51"),
        "scale": ("", "now ln"),
    }
    assert numbers(found.effects[0].used)["people, control"] == 51


def test_a_cell_that_a_check_refused(tmp_path):
    found = consilience.explain(Review(tmp_path).cells("arms", 4, sd="-10.5").load(), "arms.csv:4")
    (cell,) = [cell for cell in found.rows[0].cells if cell.column == "sd"]
    assert (cell.text, cell.became) == ("-10.5", "not used: sd-negative")
    assert [note.code for note in found.rows[0].findings] == ["sd-negative"]
    assert "[sd-negative] sd is -10.5, but it cannot be negative" in " ".join(str(found).split())


def test_a_row_that_a_check_took_away(tmp_path):
    found = consilience.explain(Review(tmp_path).copy("arms", 5).load(), "arms.csv:10")
    assert found.effects == ()
    assert [note.code for note in found.rows[0].findings] == ["duplicate-row"]
    assert "No effect rests on this" in str(found)


def test_a_row_that_yields_no_effect_says_why(tmp_path):
    review = Review(tmp_path).cells("contrasts", 2, direction="")
    found = consilience.explain(review.load(), "contrasts.csv:2")
    assert found.effects == ()
    assert [d.code for d in found.dropped] == ["no-direction"]
    assert "F, chi-squared and p have no sign" in " ".join(str(found).split())


def test_an_imputed_number_is_called_so(tmp_path):
    """Trial A without its SDs, in two copies that print them: where the protocol allows it, theirs are taken."""
    review = Review(tmp_path).add('\n[imputation]\nsd = "same-marker"\n')
    for study in ("B", "C"):
        for line in (2, 3, 4, 5):
            review.copy("arms", line, study=study, change="", change_sd="")
    for line in (2, 3, 4, 5):
        review.cells("arms", line, sd="", change="", change_sd="")
    found = consilience.explain(review.load(), "A")
    (e,) = found.effects
    how = {step.what: step.how for step in e.used.steps}
    assert how["SD before, treated"] == "imputed as the protocol allows; see the assumptions"
    assert how["mean before, treated"] == "as printed, printed units"
    assert "imputed-sd" in {note.code for row in found.rows for note in row.findings}
    check_arithmetic(e.used)


def test_findings_about_the_effect(immune):
    found = consilience.explain(immune, "arms.csv:14")
    assert "baseline-gap" in {note.code for e in found.effects for note in e.findings}
    assert "[baseline-gap]" in str(found)


@pytest.mark.parametrize("asked", ["A", "a", "trials.csv:2", "rob.csv:2"])
def test_a_trial_by_name_or_by_a_row_about_it(tmp_path, asked):
    found = consilience.explain(Review(tmp_path).load(), asked)
    assert [e.study for e in found.effects] == ["A"]
    assert [row.line for row in found.rows] == [2, 3, 4, 5]


@pytest.mark.parametrize("asked", [2, "2", "#2", "effects.csv:3"])
def test_an_effect_by_its_number(tmp_path, asked):
    (e,) = consilience.explain(Review(tmp_path).load(), asked).effects
    assert (e.number, e.study) == (2, "B")


UNKNOWN = {
    "arms.csv:200": "arms.csv has no row 200: its rows are 2 to 9, the nearest is 9.",
    "arms.csv:1": "arms.csv has no row 1: its rows are 2 to 9, the nearest is 2.",
    "arm.csv:2": '"arm.csv" is no table of this review; its tables are trials.csv, arms.csv, contrasts.csv, rob.csv. '
    'Did you mean "arms.csv"?',
    "7": "There is no effect 7: the effects are 1 to 3.",
    "0": "There is no effect 0: the effects are 1 to 3.",
    "AA": 'There is nothing called "AA". Did you mean "A"?',
    "Miller": 'There is nothing called "Miller".',
    "Miller 2014": 'There is nothing called "Miller 2014".',
}


@pytest.mark.parametrize("asked", UNKNOWN)
def test_unknown_rows_get_the_nearest_and_what_is_allowed(tmp_path, capsys, asked):
    review = Review(tmp_path)
    with pytest.raises(UsageError) as error:
        consilience.explain(review.load(), asked)
    assert (error.value.message, error.value.code) == (UNKNOWN[asked], "unknown-row")
    assert error.value.advice.startswith("Allowed: a row such as arms.csv:12")
    assert run_command_line(["check", str(tmp_path), "--explain", asked]) == 2
    assert UNKNOWN[asked] in capsys.readouterr().err


def test_the_command_prints_what_python_prints(tmp_path, capsys):
    Review(tmp_path)
    assert run_command_line(["check", str(tmp_path), "--explain", "arms.csv:4"]) == 0
    assert capsys.readouterr().out.rstrip() == str(consilience.explain(tmp_path, "arms.csv:4")).rstrip()


def test_a_protocol_with_errors(tmp_path):
    review = Review(tmp_path).protocol('better = "lower"', 'beter = "lower"')
    with pytest.raises(InputError, match="The protocol has errors") as error:
        consilience.explain(review.load(), "arms.csv:4")
    assert error.value.code == "review-has-errors"


def test_every_row_of_the_shipped_review_can_be_asked_for(immune):
    """No row is silent: it has an effect, a reason, a decision or a finding."""
    for table in ("arms", "contrasts"):
        raw = immune.raws[table]
        for line in raw.lines[:: 1 if table == "contrasts" else 7]:
            found = consilience.explain(immune, f"{raw.file}:{line}")
            assert isinstance(found, Explanation)
            first = found.rows[0]
            assert (first.file, first.line) == (raw.file, line)
            assert found.effects or found.dropped or first.decisions or first.findings
            assert np.isfinite([e.used.y for e in found.effects]).all()
