"""A new review folder: a commented protocol and table templates with a made-up example, valid as they stand."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from ..data.describe import describe_tables
from ..data.raw import RawTable
from ..data.schema import TABLES
from ..io.atomic import new_folder
from ..io.csv_read import read_csv
from ..io.csv_write import write_csv
from .protocol import FILE

_TEMPLATES = resources.files("consilience.review") / "templates" / "init"


def init(folder: str | Path) -> tuple[str, ...]:
    """Make a review folder and return the names of its files.

    The tables have every column of the schema, filled for the example only where it prints something.

    Raises
    ------
    UsageError : ``folder-not-empty``.
    """
    with new_folder(folder) as made, resources.as_file(_TEMPLATES) as templates:
        (made / FILE).write_bytes((templates / FILE).read_bytes())
        for name in TABLES:
            _write_template(read_csv(templates / f"{name}.csv"), name, made / f"{name}.csv")
        (made / "COLUMNS.md").write_text(describe_tables(), encoding="utf-8")
        return (FILE, *(f"{name}.csv" for name in TABLES), "COLUMNS.md")


def _write_template(raw: RawTable, name: str, path: Path) -> None:
    header = TABLES[name].names
    position = {column: i for i, column in enumerate(raw.header)}
    rows = [[row[position[column]] if column in position else "" for column in header] for row in raw.rows]
    write_csv(path, rows, header=header)
