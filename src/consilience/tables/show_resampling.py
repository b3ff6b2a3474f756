"""What ``print()`` shows of resampling and calibration."""

from __future__ import annotations

from ..records.calibration import Calibration
from .build_calibration import calibration_table, selected_table
from .show import WIDTH, show
from .text import to_text


@show.register
def _(record: Calibration) -> str:
    tables = [calibration_table(record)]
    if record.selected:
        tables.append(selected_table(record))
    return "\n".join(to_text(table, width=WIDTH) for table in tables)
