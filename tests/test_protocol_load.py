"""The front door: a folder to plan and tables; the new review that is valid as it stands."""

from __future__ import annotations

import hashlib
import shutil

import openpyxl
import pandas as pd
import pytest

from consilience.base.errors import UsageError
from consilience.data.schema import TABLES
from consilience.review.init import init
from consilience.review.load import EFFECT_COLUMNS, load
from review_tables import Review


def test_a_sound_review(tmp_path):
    loaded = Review(tmp_path).load()
    assert loaded.plan is not None
    assert loaded.plan.title == "A review"
    assert loaded.reported.studies == ("A", "B", "C")
    assert loaded.reported.n_rows == 9
    assert loaded.protocol == (tmp_path / "review.toml").read_text(encoding="utf-8")
    assert dict(loaded.inputs) == {
        name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("review.toml", "trials.csv", "arms.csv", "contrasts.csv", "rob.csv")
    }


def test_no_such_folder(tmp_path):
    (tmp_path / "immune").mkdir()
    with pytest.raises(UsageError, match=r'There is no folder ".*imune"\. Did you mean "immune"\?') as caught:
        load(tmp_path / "imune")
    assert caught.value.code == "no-folder"
    assert caught.value.exit_code == 2


def test_a_folder_that_is_no_review(tmp_path):
    with pytest.raises(UsageError, match=r"is not a review: it has no review\.toml") as caught:
        load(tmp_path)
    assert caught.value.code == "no-protocol"


def test_files_that_are_missing_or_broken_are_notes(tmp_path):
    review = Review(tmp_path).protocol('arms = "arms.csv"', 'arms = "arm.csv"')
    (tmp_path / "contrasts.csv").write_bytes(b"")
    found = [(n.code, n.file, n.row, n.message) for n in review.notes() if n.severity == "error"]
    assert found == [
        (
            "file-missing",
            "review.toml",
            12,
            '[files] arms: There is no file "arm.csv". Did you mean "arms.csv"?',
        ),
        ("file-unreadable", "review.toml", 13, '[files] contrasts: "contrasts.csv" is empty.'),
    ]


def test_missing_trials_do_not_make_every_row_an_error(tmp_path):
    review = Review(tmp_path)
    (tmp_path / "trials.csv").unlink()
    assert [n.code for n in review.notes()] == ["file-missing"]


def test_tables_may_be_sheets_of_one_workbook_or_parquet(tmp_path):
    plain = Review(tmp_path).load()
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name in ("trials", "arms"):
        sheet = book.create_sheet(name)
        frame = pd.read_csv(tmp_path / f"{name}.csv")
        sheet.append(list(frame.columns))
        for row in frame.itertuples(index=False):
            sheet.append([None if value != value else value for value in row])  # noqa: PLR0124 - NaN
    book.save(tmp_path / "book.xlsx")
    pd.read_csv(tmp_path / "contrasts.csv").to_parquet(tmp_path / "contrasts.parquet")
    review = Review(tmp_path)
    review.protocol(
        '[files]\narms = "arms.csv"', '[files]\ntrials = "book.xlsx#trials"\narms = "book.xlsx#arms"'
    )
    review.protocol("contrasts.csv", "contrasts.parquet")
    loaded = review.load()
    assert loaded.notes == ()
    for name in ("trials", "arms", "contrasts"):
        ours, theirs = getattr(loaded.reported, name), getattr(plain.reported, name)
        for column in theirs.names:
            assert ours[column].astype(str).tolist() == theirs[column].astype(str).tolist()
    assert set(loaded.inputs) == {"review.toml", "book.xlsx", "contrasts.parquet", "rob.csv"}


def test_columns_that_the_protocol_asks_for(tmp_path):
    review = Review(tmp_path).add(
        '[questions]\nsubgroups = ["intervention_clas", "outcome"]\n[[moderators]]\ncolumn = "age"\n'
        '[[moderators]]\ncolumn = "country"\n[[moderators]]\ncolumn = "weeks"\n'
    )
    review.cells("trials", 2, country="Chile").cells("arms", 4, assay="high sensitivity")
    review.add('[[moderators]]\ncolumn = "assay"\nkind = "category"\n')
    found = [(n.code, n.row, n.message) for n in review.notes()]
    assert found == [
        (
            "unknown-column",
            34,
            'The subgroup "intervention_clas" is not a column of the tables. Did you mean "intervention_class"?',
        ),
        (
            "unknown-column",
            36,
            'The moderator "age" is not a column of the tables.',
        ),
        ("protocol-value", 38, 'The moderator "country" holds text, so it cannot be a number.'),
    ]


def test_loading_changes_nothing_in_the_folder(tmp_path):
    review = Review(tmp_path)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    review.load()
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_new_review_is_valid_as_it_stands(tmp_path):
    folder = tmp_path / "my-review"
    made = init(folder)
    assert {p.name for p in folder.iterdir()} == set(made)
    loaded = load(folder)
    assert loaded.plan is not None
    assert [n.code for n in loaded.notes] == ["decision-set"]
    assert len(loaded.reported.studies) >= 4
    assert loaded.plan.sample == "synthetic"
    assert all("made up" in note for note in loaded.reported.trials["note"])


def test_a_new_review_has_every_column_and_explains_it(tmp_path):
    init(tmp_path / "r")
    page = (tmp_path / "r" / "COLUMNS.md").read_text(encoding="utf-8")
    for name, schema in TABLES.items():
        header = (tmp_path / "r" / f"{name}.csv").read_text(encoding="utf-8").splitlines()[0]
        assert header.split(",") == list(schema.names)
        for field in schema.fields:
            assert f"| `{field.name}` |" in page
            assert field.meaning.replace("|", "\\|") in page


def test_the_commented_parts_of_a_new_protocol_are_valid_too(tmp_path):
    """Whoever removes a # gets a protocol that loads."""
    folder = tmp_path / "r"
    init(folder)
    path = folder / "review.toml"
    head, _, tail = path.read_text(encoding="utf-8").partition("# [prisma]")
    lines = [line.removeprefix("# ") for line in ("# [prisma]" + tail).splitlines()]
    path.write_text(head + "\n".join(lines), encoding="utf-8")
    loaded = load(folder)
    assert loaded.errors == ()
    assert loaded.plan is not None
    assert loaded.plan.prisma["total"] == 6


def test_init_refuses_a_folder_with_anything_in_it(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(UsageError) as caught:
        init(tmp_path)
    assert caught.value.code == "folder-not-empty"
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_a_review_can_be_moved(tmp_path):
    init(tmp_path / "a")
    first = load(tmp_path / "a")
    shutil.move(tmp_path / "a", tmp_path / "b")
    second = load(tmp_path / "b")
    assert first.notes == second.notes
    assert first.inputs == second.inputs
    assert first.plan == second.plan


def test_columns_of_effects_are_not_columns_of_trials():
    assert not set(EFFECT_COLUMNS) & set(TABLES["trials"].names)
