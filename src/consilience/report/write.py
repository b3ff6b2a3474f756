"""Analysis -> a folder: the page, results.json, effects.csv, every figure and table, the lines that reproduce it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..io.atomic import output_folder
from ..io.csv_write import csv_text
from ..records import Analysis, Table
from ..tables import csv_rows
from .html import render_html
from .picture import Picture, draw_figures
from .results import build_results, results_text
from .tables import report_tables


def write_report(analysis: Analysis, folder: Path | str) -> Path:
    """Write the whole report and return the path of its page.

    The folder appears, or replaces an older report, only when everything is written; a failed or killed run
    leaves the older one as it was.

    Raises
    ------
    UsageError (``output-exists``) when `folder` holds files that no report wrote.
    """
    with output_folder(folder) as place:
        for name, content in report_files(analysis).items():
            path = place / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
    return Path(folder) / "report.html"


def report_files(analysis: Analysis) -> dict[str, bytes]:
    """Every file of the report: relative path -> content. The same analysis gives the same bytes."""
    figures = draw_figures(analysis)
    files = {
        "report.html": render_html(analysis, figures).encode(),
        "results.json": results_text(build_results(analysis)).encode(),
        "effects.csv": _effects_csv(analysis).encode(),
        "reproduce.py": analysis.provenance.script.encode(),
    }
    return files | _figure_files(figures) | _table_files(report_tables(analysis))


def _effects_csv(analysis: Analysis) -> str:
    """Every computed effect with its number and all of its columns; missing values are empty cells."""
    effects = analysis.effects
    extra = [name for name in effects.columns if name != "study"]
    columns = (effects.study, effects.y, effects.v, *(effects.columns[name] for name in extra))
    rows = zip(range(1, effects.k + 1), *(column.tolist() for column in columns), strict=True)
    return csv_text(rows, header=["effect_number", "study", "y", "v", *extra])


def _figure_files(figures: Mapping[str, Picture]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for key, picture in figures.items():
        files[f"figures/{key}.svg"] = picture.svg.encode()
        files[f"figures/{key}.png"] = picture.png
        files[f"figures/{key}.txt"] = picture.twin.encode()
    return files


def _table_files(tables: Mapping[str, Table]) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for key, table in tables.items():
        head, *rows = csv_rows(table)
        files[f"tables/{key}.csv"] = csv_text(rows, header=[str(name) for name in head]).encode()
    return files
