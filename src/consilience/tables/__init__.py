"""Records -> Table -> text, Markdown, HTML, LaTeX, CSV rows or a data frame."""

from . import show_influence, show_models, show_multiverse, show_resampling, show_small_study
from .build_all import all_tables
from .build_estimates import estimate_table
from .build_gosh import clusters_table, driven_table, gosh_table
from .build_multiverse import alternatives_table, movement_table, specifications_table
from .build_permutation import permutation_table
from .build_selection import selection_table
from .html import table_id, to_html
from .latex import to_latex
from .markdown import to_markdown
from .raw import csv_rows, to_dataframe
from .show import show, show_html
from .text import to_text

# each registers with `show` what print() shows of its records
REGISTERED = (show_influence, show_models, show_multiverse, show_resampling, show_small_study)

__all__ = [
    "all_tables",
    "alternatives_table",
    "clusters_table",
    "csv_rows",
    "driven_table",
    "estimate_table",
    "gosh_table",
    "movement_table",
    "permutation_table",
    "selection_table",
    "show",
    "show_html",
    "specifications_table",
    "table_id",
    "to_dataframe",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_text",
]
