"""A small valid review to spoil: the tests change single cells and read the notes."""

from __future__ import annotations

import csv
from pathlib import Path

from consilience.records import Note
from consilience.review.load import Loaded, load

PROTOCOL = """\
[review]
title = "A review"
sample = "synthetic"

[question]
population = "adults"
intervention = "therapy"
comparator = "nothing"
outcome = "markers"

[files]
arms = "arms.csv"
contrasts = "contrasts.csv"
risk_of_bias = "rob.csv"

[classes]
interventions = ["cbt", "yoga"]
outcomes = ["inflammation"]

[effect]
default_r = { value = 0.5, low = 0.3, high = 0.7 }

[[outcomes]]
name = "CRP"
class = "inflammation"
better = "lower"
scale = "log"

[[outcomes]]
name = "IL-2"
class = "inflammation"
better = "higher"
"""

TRIALS = """\
study,intervention_class,n_randomised,treatment_weeks,randomised,risk_of_bias
A,cbt,60,8,yes,low
B,yoga,50,8,yes,
C,yoga,44,8,no,
"""

ARMS = """\
study,arm,role,outcome,time,weeks,n,mean,sd,ci_low,ci_high,change,change_sd,geometric_mean,median,q1,q3,events,total,r,scale,unit
A,CBT,treatment,IL-2,pre,0,30,31.5,9.3,,,,,,,,,,,,,ng/mL
A,usual,control,IL-2,pre,0,30,29.5,8.2,,,,,,,,,,,,,ng/mL
A,CBT,treatment,IL-2,post,8,30,35.2,10.5,,,3.7,8,,,,,,,,,ng/mL
A,usual,control,IL-2,post,8,30,30.1,8.4,,,,,,,,,,,,,ng/mL
B,yoga,treatment,CRP,pre,0,25,3.1,2.6,,,,,,,,,,,,,mg/L
B,usual,control,CRP,pre,0,25,2.9,2.4,,,,,,,,,,,,,mg/L
B,yoga,treatment,CRP,post,8,25,2.2,1.9,,,,,,,,,,,,,mg/L
B,usual,control,CRP,post,8,25,2.8,2.5,,,,,,,,,,,,,mg/L
"""

CONTRASTS = """\
study,arm,control_arm,outcome,time,weeks,compares,n_treatment,n_control,difference,difference_ci_low,difference_ci_high,f,df,direction
C,yoga,usual,CRP,post,8,change,22,22,,,,4.2,42,control higher
"""

ROB = """\
study,result,overall
A,IL-2 after treatment,low
"""

FILES = {"trials": "trials.csv", "arms": "arms.csv", "contrasts": "contrasts.csv", "risk_of_bias": "rob.csv"}


class Review:
    """The review in a folder; every method returns it, so that changes can be chained."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        texts = {"review.toml": PROTOCOL, "trials.csv": TRIALS, "arms.csv": ARMS, "contrasts.csv": CONTRASTS}
        for name, text in {**texts, "rob.csv": ROB}.items():
            (folder / name).write_text(text, encoding="utf-8")

    def cells(self, table: str, row: int, **values: str) -> Review:
        """Set cells of a row (its line in the file); a column that is not there is added."""
        path = self.folder / FILES[table]
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        for name, value in values.items():
            if name not in rows[0]:
                for line in rows:
                    line.append("" if line is not rows[0] else name)
            rows[row - 1][rows[0].index(name)] = value
        return self._write(path, rows)

    def copy(self, table: str, row: int, **values: str) -> Review:
        """Append a copy of a row with some cells changed."""
        path = self.folder / FILES[table]
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        self._write(path, [*rows, list(rows[row - 1])])
        return self.cells(table, len(rows) + 1, **values)

    def drop(self, table: str, *lines: int) -> Review:
        path = self.folder / FILES[table]
        rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
        return self._write(path, [row for i, row in enumerate(rows, 1) if i not in lines])

    def _write(self, path: Path, rows: list[list[str]]) -> Review:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(rows)
        return self

    def protocol(self, old: str, new: str) -> Review:
        """Replace text in review.toml."""
        path = self.folder / "review.toml"
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return self

    def add(self, text: str) -> Review:
        """Append to review.toml."""
        path = self.folder / "review.toml"
        path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")
        return self

    def load(self) -> Loaded:
        return load(self.folder)

    def notes(self) -> tuple[Note, ...]:
        return self.load().notes

    def only(self) -> Note:
        """The one note that there is."""
        notes = self.notes()
        assert len(notes) == 1, [str(note) for note in notes]
        return notes[0]
