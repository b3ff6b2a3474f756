"""Analysis and figures -> one HTML page that needs nothing beside it."""

from __future__ import annotations

import hashlib
import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from ..base.format import number, plural
from ..plots import palette_css
from ..records import Analysis, Question
from ..tables.build_estimates import difference_line
from .forest import build_forest
from .glossary import TERMS, Explainer
from .picture import Picture, pages_of
from .tables import report_tables
from .view import Tables, answer_line, key_numbers, page_title, sample_words, view_tables

CONTENTS = {
    "answer": "The answer",
    "numbers": "In numbers",
    "forest": "The trials, one by one",
    "families": "How much changed",
    "classes": "For whom, and on what",
    "moderators": "Kinds of trial",
    "time": "How long it lasts",
    "small-study": "Small trials",
    "robust": "Is it robust?",
    "credibility": "Would you believe it?",
    "trials": "The trials in detail",
    "effects": "Every effect",
    "methods": "Methods",
    "notes": "Assumptions and findings",
    "provenance": "Where the numbers come from",
    "glossary": "Terms",
}
ALWAYS = ("answer", "numbers", "forest", "trials", "effects", "methods", "notes", "provenance", "glossary")
KINDS = {
    "overall": ("overall",),
    "family": ("family",),
    "time": ("persistence", "course"),
    "subgroup": ("subgroup",),
    "moderator": ("moderator",),
    "small_study": ("small-study",),
    "credibility": ("credibility",),
}
# question of credibility -> figures shown, figures folded, tables folded
BELIEF: Mapping[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "influence": (("influence",), (), ("influence",)),
    "cumulative": (("cumulative",), (), ("cumulative",)),
    "small-study": ((), ("trim-and-fill",), ()),
    "selection": ((), ("selection",), ()),
    "worst-case": ((), ("worst-case",), ("credibility",)),
    "calibration": (("calibration",), ("power",), ("calibration", "calibration-selected")),
    "multiverse": (("multiverse", "multiverse-movement"), (), ("multiverse", "multiverse-movement")),
}
PARTS = ("population", "intervention", "comparator", "outcome")


def render_html(analysis: Analysis, figures: Mapping[str, Picture]) -> str:
    """The page. figures : key -> picture, as `draw_figures` makes them.

    Everything that comes from the data is escaped by the template engine; only the page's own style and
    script, the tables and the figures (escaped where they are made) are taken as markup.
    """
    tables = view_tables(report_tables(analysis))
    questions = {name: [q for q in analysis.questions if q.kind in kinds] for name, kinds in KINDS.items()}
    present = _present(analysis, questions, figures)
    context = {
        **_fixed(),
        **_texts(analysis),
        "plan": analysis.plan,
        "provenance": analysis.provenance,
        "answer": analysis.answer,
        "headline": next((p for p in analysis.answer if p.heading == "The answer"), None),
        "anchors": _anchors(tables, figures, present),
        "key_numbers": key_numbers(analysis, {view.anchor for view in tables.views.values()}),
        "line": answer_line(analysis),
        "forest": build_forest(analysis),
        "questions": questions,
        "scenarios": analysis.scenarios,
        "tipping": analysis.tipping,
        "present": present,
        "contents": [(key, CONTENTS[key]) for key in CONTENTS if key in present],
        "explain": Explainer(),
        "unsaid": _unsaid(),
        **_pieces(tables, figures),
    }
    return _environment().get_template("page.html.j2").render(context)


def untold_test(question: Question) -> str:
    """The question's test as a line, or "" if there is none or its answer already gives the statistic."""
    line = difference_line(question.test)
    statistic = re.search(r"F\(.*?\) = [^,]*", line)
    return "" if statistic and statistic.group() in question.answer else line


def beneath_title(question: Question) -> str:
    """The answer as it stands beneath the question's title: without the title, or its words, once more."""
    title, answer = question.title.partition(" (")[0], question.answer
    if not answer.startswith(f"{title}: "):
        return answer
    rest = answer[len(title) + 2 :]
    return rest if rest.startswith("g =") else rest[:1].upper() + rest[1:]


def _unsaid() -> Callable[[Question], list[str]]:
    """A filter that lets every remark of the questions pass once, and none that the answer has said. One per page."""
    said: set[str] = set()

    def told(note: str, answer: str) -> bool:
        words = note.partition(": ")[2]
        return bool(words) and words.casefold() in answer.casefold()

    def unsaid(question: Question) -> list[str]:
        notes = [note for note in dict.fromkeys(question.notes) if not told(note, question.answer)]
        fresh = [note for note in notes if note not in said]
        said.update(fresh)
        return fresh

    return unsaid


def _present(
    analysis: Analysis, questions: Mapping[str, list[Question]], figures: Mapping[str, Picture]
) -> set[str]:
    """Sections that have something to show."""
    optional = {
        "families": questions["family"],
        "time": questions["time"] or "course" in figures,
        "classes": questions["subgroup"],
        "moderators": questions["moderator"],
        "small-study": questions["small_study"] or "funnel" in figures,
        "robust": analysis.scenarios or analysis.tipping,
        "credibility": questions["credibility"],
    }
    return {*ALWAYS, *(key for key, content in optional.items() if content)}


def _anchors(tables: Tables, figures: Mapping[str, Picture], present: set[str]) -> set[str]:
    """Every id that a number may link to."""
    return present | {view.anchor for view in tables.views.values()} | {f"figure-{key}" for key in figures}


def _texts(analysis: Analysis) -> dict[str, object]:
    plan = analysis.plan
    return {
        "page_title": page_title(plan),
        "sample": sample_words(plan),
        "level": f"{100 * plan.level:g}%",
        "relevance": f"{plan.relevance:g}",
        "question": {name: plan.question[name] for name in PARTS if plan.question.get(name)},
        "robust_sentence": robust_sentence(analysis),
        "methods": analysis.methods,
        "references": analysis.references,
    }


def robust_sentence(analysis: Analysis) -> str:
    """How many of the scenarios lead to the same conclusion, and how far the estimate moves."""
    done = [s for s in analysis.scenarios if s.verdict != "unavailable"]
    missing = len(analysis.scenarios) - len(done)
    rest = f" {plural(missing, 'scenario')} could not be computed." if missing else ""
    if not done:
        return f"No scenario could be compared with the primary answer.{rest}"
    same = sum(s.verdict == "same" for s in done)
    values = [s.estimate.estimate for s in done if math.isfinite(s.estimate.estimate)]
    span = f" g runs from {number(min(values))} to {number(max(values))}." if values else ""
    return f"{same:,} of {plural(len(done), 'scenario')} lead to the same conclusion as the primary analysis.{span}{rest}"


def _pieces(tables: Tables, figures: Mapping[str, Picture]) -> dict[str, object]:
    """Functions with which sections place tables and figures; each table is placed once."""
    parts: Any = _environment().get_template("parts.html.j2").module

    def placed(keys: tuple[str, ...], *, fold: bool, printed: bool = True) -> Markup:
        return Markup("\n").join(parts.table(view, fold, printed) for view in tables.take(*keys))

    def drawn(key: str) -> Markup:
        pages = pages_of(figures.values(), key)
        if not pages:
            return Markup("")
        first, *rest = pages
        more = parts.folded(rest, f"Show {plural(len(rest), 'more page')} of this figure") if rest else ""
        return Markup("{}\n{}").format(parts.picture(first), more)

    def folded(key: str) -> Markup:
        pages = pages_of(figures.values(), key)
        n = len(pages)
        title = pages[0].title.replace(f" (page 1 of {n})", f" ({n} pages)") if pages else ""
        return Markup(parts.folded(pages, f"Show the figure: {title}") if pages else "")

    def evidence(question: Question) -> Markup:
        shown, hidden, listed = BELIEF[question.key.removeprefix("credibility/")]
        parts_of_it = [*map(drawn, shown), *map(folded, hidden), placed(listed, fold=True)]
        return Markup("\n").join(parts_of_it)

    return {
        "evidence": evidence,
        "tables_here": lambda *keys: placed(keys, fold=False),
        "tables_folded": lambda *keys, printed=True: placed(keys, fold=True, printed=printed),
        "remaining_tables": lambda: placed(tuple(tables.views), fold=False),
        "has_table": lambda key: key in tables.views,
        "has_figure": lambda key: bool(pages_of(figures.values(), key)),
        "figures_here": lambda *keys: Markup("\n").join(map(drawn, keys)),
        "figures_folded": lambda *keys: Markup("\n").join(map(folded, keys)),
    }


@cache
def _environment() -> Environment:
    folder = files(__package__) / "templates"
    env = Environment(
        loader=FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.globals["exact"] = _exact
    env.globals["untold_test"] = untold_test
    env.globals["beneath_title"] = beneath_title
    return env


def _exact(key: str, value: float) -> str:
    """What pointing at a number shows: its key in results.json and its unrounded value."""
    return f"{key} = {'not available' if math.isnan(value) else repr(value)}"


@cache
def _fixed() -> dict[str, object]:
    """Style and script with the hashes by which alone the page's policy lets them run; the glossary."""
    assets = files(__package__) / "assets"
    dark = f"@media screen and (prefers-color-scheme: dark) {{\n{palette_css('dark')}}}\n"
    style = dark + (assets / "page.css").read_text(encoding="utf-8")
    script = (assets / "page.js").read_text(encoding="utf-8")
    return {
        "style": Markup(style),
        "script": Markup(script),
        "style_hash": _csp_hash(style),
        "script_hash": _csp_hash(script),
        "terms": TERMS,
    }


def _csp_hash(text: str) -> str:
    return "sha256-" + b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
