"""The multiverse as people meet it: sentences, tables, figures from 1 to 20,000 specifications, the command."""

from __future__ import annotations

import csv
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

import consilience
from consilience.cli import run_command_line
from consilience.diagnostics.specifications import movement, summaries, support_of, verdicts
from consilience.plots import picture, text_twin
from consilience.plots.layout import Line, Shape
from consilience.records import Dimension, MultiverseResult
from consilience.review.multiverse import sentence
from consilience.tables import alternatives_table, csv_rows, movement_table, show, specifications_table
from plots_checks import assert_sound

LONG = (
    "A very long name of a choice, Zusammenschlussverhandlungskommission of the Multicentre Study of It All"
)


def made(
    *sizes: int, seed: int = 1, shift: float = 0.3, missing: float = 0.0, names: str = "Choice"
) -> MultiverseResult:
    """A multiverse with random estimates; `missing` : share of specifications without one."""
    rng = np.random.default_rng(seed)
    dimensions = tuple(
        Dimension(
            f"d{j}",
            f"{names} {j}",
            tuple(f"a{i}" for i in range(n)),
            tuple(f"{names} {j}, way {i}" for i in range(n)),
        )
        for j, n in enumerate(sizes)
    )
    choice = np.array(list(product(*(range(n) for n in sizes))), dtype=int).reshape(
        int(np.prod(sizes)), len(sizes)
    )
    n = len(choice)
    estimate = shift + 0.1 * choice @ rng.normal(size=len(sizes)) + 0.05 * rng.normal(size=n)
    se = rng.uniform(0.05, 0.2, n)
    se[rng.random(n) < 0.02] *= 30
    gone = rng.random(n) < missing
    gone[0] = False
    numbers = [np.where(gone, np.nan, x) for x in (estimate, se, estimate - 2 * se, estimate + 2 * se)]
    verdict = verdicts(numbers[2], numbers[3], 0)
    there = ~gone
    y = numbers[0][there]
    support = support_of(y, numbers[2][there], numbers[3][there], primary=float(estimate[0]), relevance=0.2)
    supports = numbers[2] > 0 if support.side > 0 else numbers[3] < 0
    return MultiverseResult(
        dimensions=dimensions,
        choice=choice,
        estimate=numbers[0],
        se=numbers[1],
        ci_low=numbers[2],
        ci_high=numbers[3],
        p_value=np.where(gone, np.nan, 0.04),
        df=np.where(gone, np.nan, np.inf),
        k=np.full(n, 20),
        studies=np.full(n, 10),
        fit=np.where(gone, -1, np.cumsum(there) - 1),
        verdict=verdict,
        reason=np.where(gone, "No effect is left.", "").astype(object),
        primary=0,
        possible=n,
        level=0.95,
        support=support,
        alternatives=summaries(dimensions, choice[there], y, supports[there]),
        movement=movement(dimensions, choice[there], y),
    )


SHAPES = [
    (),
    (2,),
    (2, 2),
    (3, 2, 2),
    (3, 5, 2, 3),
    (3, 3, 3, 3, 2, 2, 2, 3),
    (5, 4, 4, 5, 5, 5, 2),
    (15, 6, 9, 5),
]


@pytest.mark.parametrize("sizes", SHAPES, ids=str)
@pytest.mark.parametrize("kind", ["curve", "movement"])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_figures_are_sound(sizes, kind, missing):
    layout = picture(made(*sizes, missing=missing), kind)
    assert_sound(layout)
    assert len(layout.items) < 12_000


@pytest.mark.parametrize("shift", [-0.4, 0.0])
def test_figures_of_harm_nothing_and_long_names_are_sound(shift):
    result = made(3, 4, 3, 2, shift=shift, names=LONG)
    for kind in ("curve", "movement"):
        assert_sound(picture(result, kind))
    assert ("below zero" in picture(result).alt) == (result.support.side < 0)


def test_each_specification_is_drawn_and_its_choices_beneath():
    """Few specifications: one interval for each, in the order of the estimates, and one mark in each dimension."""
    result = made(3, 2, 2)
    layout = picture(result, "curve")
    drawn = [
        i
        for i in layout.items
        if isinstance(i, Line) and len(i.points) == 2 and i.points[0][0] == i.points[1][0]
    ]
    intervals = [i for i in drawn if i.tone in ("mark", "alert", "rule") and i.width != 2.4]
    assert len(intervals) == len(result) == 12
    tones = [
        ("mark" if low > 0 else "alert" if high < 0 else "rule")
        for _, low, high in sorted(zip(result.estimate, result.ci_low, result.ci_high, strict=True))
    ]
    assert [i.tone for i in sorted(intervals, key=lambda i: i.points[0][0])] == tones
    marks = [i for i in layout.items if isinstance(i, Shape) and i.fill == "mark"]
    assert len(marks) == 3 * 12


def test_bars_are_as_long_as_their_shares():
    result = made(3, 2, 2, seed=5)
    bars = [
        i for i in picture(result, "movement").items if isinstance(i, Shape) and i.fill in ("mark", "soft")
    ][2:]
    length = [i.points[1][0] - i.points[0][0] for i in bars]
    for j, c in enumerate(result.movement.contributions):
        assert length[2 * j : 2 * j + 2] == pytest.approx([2.6 * 100 * c.total, 2.6 * 100 * c.share])


def test_the_twin_has_every_alternative(tmp_path):
    result = made(3, 4)
    text = text_twin(picture(result, path=tmp_path / "curve.txt"))
    assert (tmp_path / "curve.txt").read_text(encoding="utf-8") == text
    for d in result.dimensions:
        assert d.title in text
        assert all(label in text for label in d.labels)


def test_tables_hold_the_numbers():
    result = made(3, 2, 2, missing=0.3)
    table = alternatives_table(result)
    assert [row[1] for row in table.rows] == [a.n for a in result.alternatives]
    assert table.rows[0][0] == "Choice 0, way 0 (primary)"
    moved = movement_table(result)
    shares = [row[2] for row in moved.rows]
    assert sum(shares) == pytest.approx(100)
    assert moved.rows[-1][0] == "confounded by missing combinations"
    every = specifications_table(result)
    head, *rows = csv_rows(every)
    assert len(rows) == len(result)
    place = {name: i for i, name in enumerate(head)}
    assert [row[place["estimate"]] for row in rows] == [
        None if np.isnan(x) else x for x in result.estimate.tolist()
    ]
    assert rows[3][place["d0"]] == result.key(3)[0]
    assert all(row[place["df"]] is None for row in rows)


def test_what_is_printed_fits_and_says_the_shares():
    result = made(3, 5, 2, missing=0.2)
    text = show(result)
    assert max(map(len, text.splitlines())) <= 100
    assert f"{100 * result.support.supporting:.1f}% with their" in text
    assert "What moves the answer" in text
    assert show(made()).startswith("1 specification of 1 possible, 1 distinct fit; 1 estimate")


def test_sentences():
    result = made(3, 2, 2, seed=4)
    s = result.support
    text = sentence(result)
    same, supporting = round(12 * s.same_sign), round(12 * s.supporting)
    assert text.startswith(f"In {same} of 12 specifications (")
    assert f"is above zero, and in {supporting} (" in text
    assert result.movement.contributions[0].title in text
    harm = sentence(made(3, 2, 2, shift=-1.0, missing=0.4))
    assert "the average is below zero" in harm
    assert "more specifications could not be computed" in harm
    assert "random sample of 500 possible" in sentence(replace(result, possible=500))
    assert "moves it most" not in sentence(made())


@pytest.fixture(scope="module")
def started(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "my-review"
    consilience.init(folder)
    protocol = folder / "review.toml"
    text = (
        protocol.read_text(encoding="utf-8")
        .replace("# [multiverse] ", "[multiverse] ")
        .replace('# times = ["all", "post", "longest"]', 'times = ["all"]')
        .replace("# most = 20000 ", "most = 30 ")
    )
    protocol.write_text(text, encoding="utf-8")
    return folder


def test_the_command_says_the_answer_and_writes_every_specification(started, tmp_path, capsys):
    out = tmp_path / "new" / "specifications.csv"
    assert run_command_line(["multiverse", str(started), "--out", str(out), "--workers", "1"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("In ")
    assert "What moves the answer" in text
    assert f"Every specification: {out}" in text
    with out.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert rows[0]["verdict"] == "same"
    run = consilience.run(started)
    assert float(rows[0]["estimate"]) == run.overall.estimate
    assert [p.name for p in out.parent.iterdir()] == ["specifications.csv"]
    assert run_command_line(["multiverse", str(started), "-q"]) == 0
    assert capsys.readouterr().out == ""


def test_the_help_of_the_command_has_examples(capsys):
    assert run_command_line(["multiverse", "--help"]) == 0
    text = capsys.readouterr().out
    assert "consilience multiverse my-review --out specifications.csv" in text
    assert run_command_line(["--help"]) == 0
    assert "consilience multiverse ./my-review" in capsys.readouterr().out


@pytest.mark.parametrize("more", [["--workers", "0"], ["--out", "x.xlsx"], ["--nothing"]])
def test_wrong_usage_is_exit_code_2(started, more, capsys):
    assert run_command_line(["multiverse", str(started), *more]) == 2
    assert run_command_line(["multiverse", "no-such-folder"]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_errors_of_the_protocol_are_exit_code_1(tmp_path, capsys):
    folder = tmp_path / "r"
    consilience.init(folder)
    protocol = folder / "review.toml"
    protocol.write_text(
        protocol.read_text(encoding="utf-8").replace("# [multiverse] ", '[multiverse]\ntest = ["CR9"] '),
        encoding="utf-8",
    )
    assert run_command_line(["multiverse", str(folder), "--out", str(tmp_path / "x.csv")]) == 1
    text = " ".join(capsys.readouterr().out.split())
    assert '[multiverse] test[1] is "CR9"' in text
    assert "Nothing was computed." in text
    assert not (tmp_path / "x.csv").exists()
