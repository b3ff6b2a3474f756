"""A table as LaTeX (package booktabs), safe for any text; non-Latin names need LuaLaTeX or XeLaTeX."""

from __future__ import annotations

from ..base.grid import clean
from ..records import Table
from .shown import shown

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",  # a bracket after \\ would be read as its optional argument
    "]": "{]}",
    "\u2212": "$-$",
    "\u221e": r"$\infty$",
    "\u2014": "---",
    "\u2013": "--",
    "\u2026": r"\ldots{}",
    "\u221a": r"$\sqrt{}$",
    "\u03c4": r"$\tau$",
    "\u03c1": r"$\rho$",
    "\u03b1": r"$\alpha$",
    "\u03b2": r"$\beta$",
    "\u03b3": r"$\gamma$",
    "\u00b2": r"\textsuperscript{2}",
}


def escape_latex(text: str) -> str:
    """Text with LaTeX's special characters spelled out, so that data is never a command."""
    return "".join(_ESCAPES.get(c, c) for c in clean(text))


def _line(cells: tuple[str, ...]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \\"


def to_latex(table: Table) -> str:
    """A ``table`` environment with caption, label ``tab:<key>``, booktabs rules and notes."""
    view = shown(table)
    width = len(view.titles)
    letters = "".join({"left": "l", "right": "r", "center": "c"}[a] for a in view.aligns)
    lines = [
        r"\begin{table}",
        rf"\caption{{{escape_latex(table.title)}}}",
        rf"\label{{tab:{''.join(c if c.isalnum() and c.isascii() else '-' for c in table.key)}}}",
        rf"\begin{{tabular}}{{{letters}}}",
        r"\toprule",
        _line(view.titles),
        r"\midrule",
    ]
    for i, row in enumerate(view.marked_rows):
        if i in view.groups:
            lines.append(rf"\multicolumn{{{width}}}{{l}}{{\textbf{{{escape_latex(view.groups[i])}}}}} \\")
        lines.append(_line(row))
    lines += [r"\bottomrule", r"\end{tabular}"]
    lines += [rf"\par\footnotesize {escape_latex(note)}" for note in view.notes]
    return "\n".join([*lines, r"\end{table}"]) + "\n"
