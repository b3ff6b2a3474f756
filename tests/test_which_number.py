"""docs/which-number.md is true: the rows give what it says, the examples run, every name exists."""

from __future__ import annotations

import csv
import doctest
import re
from pathlib import Path

import pytest

import consilience
from consilience.data.schema import ARMS, CONTRASTS, TABLES
from consilience.effects.measures import MEASURES
from trial_tables import plan, rule

PAGE = Path(__file__).parents[1] / "docs" / "which-number.md"
TEXT = PAGE.read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```csv\n# (\w+)\.csv\n(.*?)```\n\ngives g = (-?[\d.]+) by \*(.*?)\*", TEXT, re.DOTALL)


def test_every_block_of_rows_has_its_result():
    assert len(EXAMPLES) == TEXT.count("```csv") >= 10


@pytest.mark.parametrize("table, rows, g, route", EXAMPLES, ids=[e[3][:30] for e in EXAMPLES])
def test_the_rows_give_what_the_page_says(table, rows, g, route):
    cells = list(csv.DictReader(rows.splitlines()))
    trials = [{"study": "Smith2020", "intervention_class": "cbt", "randomised": "yes"}]
    frames = {
        name: {key: [row[key] for row in made] for key in made[0]}
        for name, made in (("trials", trials), (table, cells))
    }
    review = consilience.reported_from(plan(rule("IL-2")), **frames)
    wrong = [n for n in review.notes if n.severity == "error" and n.code != "unknown-class"]
    assert wrong == []
    effects = consilience.trial_effects(review, plan(rule("IL-2")))
    assert effects.k == 1
    assert f"{effects.y[0]:.2f}" == g
    assert effects["route"][0] == " ".join(route.split())


def test_the_examples_run():
    result = doctest.testfile(str(PAGE), module_relative=False)
    assert result.attempted >= 8
    assert result.failed == 0


def test_every_column_and_measure_exists():
    columns = {name for schema in TABLES.values() for name in schema.names} | set(TABLES)
    words = {"ln", "log10", "pre", "final", "change", "interaction", "exp"}
    part, own = TEXT.split("## A table of your own")
    for name in re.findall(r"`([A-Za-z_0-9]+)`", part):
        assert name in columns | words, name
    measures = {column.name for m in MEASURES.values() for column in m.columns}
    for name in re.findall(r"`([A-Za-z_0-9]+)`", own):
        assert name in set(MEASURES) | measures | words, name
    for header in re.findall(r"# \w+\.csv\n(.*)\n", TEXT):
        assert set(header.split(",")) <= set(ARMS.names) | set(CONTRASTS.names)


def test_every_family_of_measures_is_on_the_page():
    from consilience.effects.measures import families

    named = set(re.findall(r"`([A-Z0-9]+)`", TEXT.split("## A table of your own")[1]))
    missing = [family for family, measures in families().items() if not named & {m.id for m in measures}]
    assert missing == ["genotypes"]
