"""The registry of findings about effects names what the code makes, with its severity, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import consilience
from consilience.data.check_list import CHECKS
from consilience.data.describe import describe_checks
from consilience.data.effect_check_list import EFFECT_CHECKS

EFFECTS = Path(consilience.__file__).parent / "effects"
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(EFFECTS.glob("*.py")))


def test_every_code_is_made_somewhere():
    assert [code for code in EFFECT_CHECKS if f'"{code}"' not in SOURCE] == []
    assert set(EFFECT_CHECKS).isdisjoint(CHECKS)  # a code in both would be settled twice


def test_every_note_of_the_effects_is_registered():
    """Codes stand in the source as the first argument of a Note, of a maker of notes, or as a choice of two."""
    makers = r"(?:Note\(|_on_effect\(\s*effects, int\(i\),|_on_row\(arms, [a-z._]+, i,)\s*\"([a-z-]+)\",\s*(\"[a-z]+\")?"
    review_notes = {code for code, _ in re.findall(makers, SOURCE)}
    judged = (EFFECTS / "plausibility.py").read_text(encoding="utf-8")
    pairs = re.findall(r'code = "([a-z-]+)" if .* else "([a-z-]+)"', judged)
    chosen = {code for pair in pairs for code in pair}
    elsewhere = {
        "correlation-needed",
        "measure-without-covariance",
    }  # raised or noted by functions beside a review
    assert len(review_notes) > 10
    assert (review_notes | chosen) - elsewhere <= set(EFFECT_CHECKS)


def test_the_shipped_review_makes_no_other_findings(tmp_path):
    folder = consilience.copy_example("immune", tmp_path / "immune")
    review = consilience.load(folder)
    notes = consilience.trial_effects(review.reported, review.plan).notes
    assert {note.code: note.severity for note in notes} == {
        code: EFFECT_CHECKS[code].severity for code in {note.code for note in notes}
    }


def test_every_finding_is_documented():
    page = describe_checks()
    assert [code for code in (*CHECKS, *EFFECT_CHECKS) if f"| `{code}` |" not in page] == []
