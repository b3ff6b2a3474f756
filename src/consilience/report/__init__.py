"""Analysis -> one self-contained HTML page, results.json, tables and figures in one folder."""

from .html import render_html
from .write import report_files, write_report

__all__ = ["render_html", "report_files", "write_report"]
