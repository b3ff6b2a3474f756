"""Tones -> colours: Okabe & Ito's colour-blind safe set on white, and a dark counterpart for style sheets.

Every distinction that a figure makes by colour it also makes by shape or letter.
Source: Okabe M, Ito K. Color Universal Design (2008); contrast of text against paper is above 4.5 in both schemes.
"""

from __future__ import annotations

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1a1a1a",
    "muted": "#595959",
    "rule": "#c9c9c9",
    "band": "#f0f0ee",
    "band2": "#e3e3df",
    "mark": "#0072b2",
    "soft": "#a9cfe6",
    "summary": "#12344d",
    "alert": "#b34700",
    "on-mark": "#1a1a1a",
    "low": "#8fd3bc",
    "some": "#f4dd7c",
    "high": "#f2a07e",
    "group1": "#0072b2",
    "group2": "#d55e00",
    "group3": "#009e73",
    "group4": "#a8527f",
    "group5": "#4a8fbd",
    "group6": "#8c6d00",
    "group7": "#595959",
}
DARK = LIGHT | {
    "paper": "#16191d",
    "ink": "#eceae6",
    "muted": "#b3b0aa",
    "rule": "#4a4f55",
    "band": "#22262b",
    "band2": "#2e333a",
    "mark": "#66b3e3",
    "soft": "#2f5a78",
    "summary": "#d6e9f7",
    "alert": "#ff9a5c",
    "low": "#6fc4a8",
    "some": "#e3c957",
    "high": "#ec8f6a",
    "group1": "#66b3e3",
    "group2": "#ff8f45",
    "group3": "#3fcfa2",
    "group4": "#dd95bb",
    "group5": "#a3d4f2",
    "group6": "#d9b63d",
    "group7": "#b3b0aa",
}
GROUP_MARKERS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "cross", "circle")


def palette_css(scheme: str = "dark", *, scope: str = "svg.consilience") -> str:
    """CSS rules that repaint inlined figures (see `svg.figure_svg`) in the ``"light"`` or ``"dark"`` scheme."""
    colours = DARK if scheme == "dark" else LIGHT
    rules = (
        f"{scope} .f-{tone}{{fill:{colour}}}\n{scope} .s-{tone}{{stroke:{colour}}}\n"
        for tone, colour in colours.items()
    )
    return "".join(rules)
