"""Records -> Table -> text, Markdown, HTML, LaTeX, CSV rows or a data frame."""

from .build_all import all_tables
from .build_estimates import estimate_table
from .build_selection import selection_table
from .html import table_id, to_html
from .latex import to_latex
from .markdown import to_markdown
from .raw import csv_rows, to_dataframe
from .show import show, show_html
from .text import to_text

__all__ = [
    "all_tables",
    "csv_rows",
    "estimate_table",
    "selection_table",
    "show",
    "show_html",
    "table_id",
    "to_dataframe",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_text",
]
