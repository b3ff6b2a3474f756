"""The page: self-contained, well-formed, complete, honest about its sample, and safe with hostile names."""

from __future__ import annotations

import base64
import hashlib
import itertools
import re
from dataclasses import replace

import pytest

import analysis_example
from analysis_example import example_analysis
from consilience.records import Analysis, Course, Estimate, Paragraph, Question
from consilience.report.html import _unsaid, beneath_title, render_html
from consilience.report.picture import draw_figures
from consilience.report.results import build_results, lookup
from consilience.report.tables import report_tables
from consilience.tables import table_id
from report_page import HOSTILE, Page, read_page


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return example_analysis()


@pytest.fixture(scope="module")
def html(analysis: Analysis) -> str:
    return render_html(analysis, draw_figures(analysis))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return read_page(html)


def squeezed(text: str) -> str:
    return " ".join(text.split())


def test_same_analysis_same_page(analysis: Analysis, html: str) -> None:
    assert render_html(example_analysis(), draw_figures(example_analysis())) == html


def test_every_link_leads_somewhere_in_the_page(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids))
    targets = [attrs["href"] for attrs in page.tags("a")]
    assert len(targets) > 20
    assert [t for t in targets if not t.startswith("#") or t[1:] not in page.ids] == []


def test_contents_lists_the_sections_in_their_order(page: Page) -> None:
    sections = [attrs["id"] for attrs in page.tags("section")]
    listed = [attrs["href"][1:] for attrs in page.tags("a") if attrs.get("href", "#")[1:] in sections]
    first = listed.index("answer", 1)  # the skip link comes before the contents
    assert listed[first : first + len(sections)] == sections


def test_one_h1_and_no_heading_level_skipped(page: Page) -> None:
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))


def test_nothing_leaves_the_file_and_nothing_is_inline(page: Page) -> None:
    for tag, attrs in page.elements:
        assert "style" not in attrs, tag
        assert not any(name.startswith("on") for name in attrs), tag
        for name in ("src", "href", "xlink:href", "action", "data"):
            assert attrs.get(name, "#").startswith(("#", "data:")), (tag, attrs)


def test_policy_admits_exactly_the_style_and_the_script_of_the_page(html: str, page: Page) -> None:
    policy = next(a["content"] for a in page.tags("meta") if a.get("http-equiv") == "Content-Security-Policy")
    for tag, directive in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", html, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_every_number_of_the_answer_can_be_followed(analysis: Analysis, page: Page) -> None:
    results = build_results(analysis)
    numbers = [(tag, attrs) for tag, attrs in page.elements if "data-key" in attrs]
    assert len(numbers) >= 8
    for tag, attrs in numbers:
        value = lookup(results, attrs["data-key"])
        assert attrs["title"] == f"{attrs['data-key']} = {value!r}"
        assert tag == "a"
        assert attrs["href"].startswith("#table-")


def test_every_table_is_there_once(analysis: Analysis, page: Page) -> None:
    assert sorted(i for i in page.ids if i.startswith("table-")) == sorted(
        table_id(table.key) for table in report_tables(analysis).values() if table.rows or table.notes
    )


def test_nothing_that_a_reader_must_know_is_left_out(analysis: Analysis, page: Page) -> None:
    required = [
        *(note.message for note in analysis.notes),
        *analysis.assumptions,
        *analysis.methods,
        *analysis.references,
        *(d.reason for d in analysis.plan.decisions),
        *(d.reason for d in analysis.effects.dropped),
        *(tip.sentence for tip in analysis.tipping),
        *(q.answer for q in analysis.questions),
        *(s.label for s in analysis.scenarios),
        *analysis.provenance.inputs.values(),
        *analysis.provenance.protocol.splitlines(),
    ]
    missing = [text for text in required if squeezed(text) not in page.text]
    assert missing == []


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("synthetic", "no real trials"),
        ("convenience", "not a systematic review"),
        ("systematic", "A systematic review"),
    ],
)
def test_the_kind_of_sample_stands_before_the_answer(analysis: Analysis, sample: str, words: str) -> None:
    plan = replace(analysis.plan, sample=sample, sample_note="A note of ours.")  # type: ignore[arg-type]
    text = read_page(render_html(replace(analysis, plan=plan), {})).text
    assert text.index(words) < text.index("A note of ours.") < text.index("surrogate")
    assert text.startswith("Synthetic data: " if sample == "synthetic" else plan.title)


def test_hostile_names_stay_text() -> None:
    plain = example_analysis()
    analysis = example_analysis(
        labels=(HOSTILE, '"><script>alert(2)</script>', "</style></script>{{ 7 * 7 }}")
    )
    plan = replace(analysis.plan, title=HOSTILE, sample_note=HOSTILE, question={"population": HOSTILE})
    sources = replace(analysis.provenance, protocol=HOSTILE, script="</pre>" + HOSTILE)
    analysis = replace(
        analysis, plan=plan, provenance=sources, methods=(HOSTILE,), answer=(Paragraph(HOSTILE, (HOSTILE,)),)
    )
    page = read_page(render_html(analysis, draw_figures(analysis)))
    assert page.tags("img") == []
    assert len(page.tags("script")) == len(page.tags("style")) == 1
    assert page.text.count(HOSTILE) > 6
    assert "{{ 7 * 7 }}" in page.text
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in read_page(_full(plain)).elements}


def _full(analysis: Analysis) -> str:
    return render_html(analysis, draw_figures(analysis))


def test_a_review_without_an_answer_still_has_a_page(analysis: Analysis) -> None:
    nothing = Estimate("overall", "all", available=False, reason="No effect could be computed.")
    empty = replace(
        analysis,
        effects=analysis.effects.take([]),
        ratios=analysis.ratios.take([]),
        overall=nothing,
        questions=(Question("overall", "overall", "Does it help?", (nothing,)),),
        scenarios=(),
        tipping=(),
        course=Course(),
        studies=(),
        answer=(Paragraph("The answer", ("No pooled answer is possible.",)),),
    )
    page = read_page(_full(empty))
    assert "not available" in page.text
    assert "No effect could be computed." in page.text
    assert "There is nothing to draw, because nothing was pooled." in page.text
    assert "robust" not in page.ids


def test_terms_are_explained_where_they_are_first_used_and_only_there(page: Page) -> None:
    links = [attrs["href"] for attrs in page.tags("a") if attrs.get("class") == "term"]
    assert "#term-surrogate" in links
    assert "#term-pi" in links
    assert len(links) == len(set(links))


def test_five_thousand_effects_stay_below_fifteen_megabytes(monkeypatch: pytest.MonkeyPatch) -> None:
    one = example_analysis().scenarios[0]
    many = tuple(
        replace(
            one, key=f"without/{i}", label=f"without {i}", estimate=replace(one.estimate, key=f"without/{i}")
        )
        for i in range(500)
    )
    monkeypatch.setattr(
        analysis_example, "_scenarios", lambda *_: many
    )  # its own are quadratic in the trials
    analysis = example_analysis(500, per_trial=10)
    html = _full(analysis)
    assert analysis.effects.k >= 5000
    assert len(html.encode()) < 15e6
    assert html.count('<details class="trial">') == len(analysis.studies)
    assert html.count('<details class="group">') > 1  # folded: no " open"
    assert html.count('<details class="fold no-print">') > 1  # the long tables


@pytest.mark.parametrize(
    ("title", "answer", "shown"),
    [
        ("By sex", "By sex: too few trials.", "Too few trials."),
        ("Benefit (higher is better)", "Benefit: g = 0.2.", "g = 0.2."),
        ("Does it last?", "By sex: it does.", "By sex: it does."),
    ],
)
def test_an_answer_does_not_repeat_the_title_above_it(title: str, answer: str, shown: str) -> None:
    assert beneath_title(Question("k", "subgroup", title, (), answer=answer)) == shown


def test_sections_tell_the_story_in_order(page: Page) -> None:
    """How much, for whom, how long, how sure."""
    wanted = [
        "answer",
        "numbers",
        "forest",
        "families",
        "classes",
        "moderators",
        "time",
        "small-study",
        "robust",
    ]
    sections = [attrs["id"] for attrs in page.tags("section") if attrs.get("id") in wanted]
    assert sections == wanted


def test_a_remark_that_the_answer_has_said_or_another_question_has_is_not_shown_again() -> None:
    notes = ("Measured: 85% is one trial.", "Weeks count from the end.", "cbt: 3 of 3 in favour.")
    first = Question("a", "family", "A", (), answer="It helps. 85% is one trial.", notes=notes)
    unsaid = _unsaid()
    assert unsaid(first) == list(notes[1:])
    assert unsaid(replace(first, answer="", notes=notes[:2])) == [notes[0]]
