"""Tables that are in memory (pandas, polars, pyarrow, or a mapping of columns) instead of in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..base.errors import InputError
from ..base.options import choose
from ..records import Columns, Note, Plan, Reported
from .assemble import Decisions, assemble
from .raw import RawTable, plain_cell
from .read import read_columns
from .rules import Rules
from .schema import TABLES


def columns_from(frame: Any, table: str) -> tuple[Columns, tuple[Note, ...]]:
    """A dataframe or a mapping of equally long columns as one table of a review, and what is wrong with it.

    table : ``"trials"``, ``"arms"``, ``"contrasts"`` or ``"risk_of_bias"``. Row 1 in notes is the first record.

    Raises
    ------
    InputError : ``not-a-table``: no dataframe, or columns of unequal length.
    OptionError : no such table.
    """
    return read_columns(raw_from(frame, table), TABLES[choose(table, TABLES, what="table")])


def reported_from(plan: Plan | None = None, **frames: Any) -> Reported:
    """The tables of a review from dataframes, checked as files are: see `Reported.notes`.

    Parameters
    ----------
    plan : the protocol, whose outcomes, classes and decisions are applied; None to check the tables only.
    frames : ``trials``, ``arms``, ``contrasts``, ``risk_of_bias``: any dataframe or mapping of columns.

    Raises
    ------
    InputError, OptionError : as `columns_from`.
    """
    raws = {choose(name, TABLES, what="table"): raw_from(frame, name) for name, frame in frames.items()}
    rules = Rules(plan.outcomes, tuple(plan.outcomes), plan.intervention_classes) if plan else Rules()
    return assemble(raws, rules, Decisions(plan.decisions if plan else ()))[0]


def raw_from(frame: Any, name: str) -> RawTable:
    """The cells of a dataframe or mapping; `name` stands for the file in notes."""
    columns = column_lists(frame)
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        listed = ", ".join(f"{key} {len(values)}" for key, values in columns.items())
        raise InputError(f"The columns of {name} have different lengths: {listed}.", code="not-a-table")
    cells = [[plain_cell(value) for value in values] for values in columns.values()]
    rows = tuple(zip(*cells, strict=True))
    header = tuple(str(key).strip() for key in columns)
    return RawTable(name, header, rows, tuple(range(1, len(rows) + 1)))


def column_lists(frame: Any) -> dict[Any, list[Any]]:
    """Column name -> values of a dataframe or mapping; InputError ``not-a-table`` for anything else."""
    if isinstance(frame, Mapping):
        return {key: list(values) for key, values in frame.items()}
    import narwhals  # only for who has a dataframe

    try:
        table = narwhals.from_native(frame, eager_only=True)
    except TypeError as error:
        raise InputError(
            f"A {type(frame).__name__} is not a table.",
            code="not-a-table",
            advice="Give a pandas, polars or pyarrow table, or a mapping of columns.",
        ) from error
    return {name: table[name].to_list() for name in table.columns}
