"""Parquet tables; pyarrow is loaded only when one is read."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import InputError
from ..data.raw import RawTable, plain_cell


def read_parquet(path: Path) -> RawTable:
    """The cells of a Parquet file; the first record is row 1, since there is no header row.

    Raises
    ------
    InputError : ``file-unreadable``.
    """
    import pyarrow
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (pyarrow.ArrowException, OSError) as error:
        message = f'"{path.name}" cannot be read as a Parquet file.'
        raise InputError(message, code="file-unreadable", advice="Write it again, or use CSV.") from error
    columns = [[plain_cell(v) for v in table.column(i).to_pylist()] for i in range(table.num_columns)]
    rows = tuple(zip(*columns, strict=True))
    return RawTable(
        path.name, tuple(n.strip() for n in table.column_names), rows, tuple(range(1, len(rows) + 1))
    )
