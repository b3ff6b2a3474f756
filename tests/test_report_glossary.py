"""Terms: found in running text, linked once, and the text itself unchanged."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from consilience.report.glossary import TERMS, Explainer

WORDS = [
    "g",
    "g = 0.3",
    "95% CI",
    "p = .03",
    "I²",
    "τ²",
    "risk of bias",
    "<b>",
    "&amp;",
    "a surrogate",
    "Greg",
    "ρ = .6",
]


def visible(markup: str) -> str:
    found: list[str] = []
    parser = HTMLParser(convert_charrefs=True)
    parser.handle_data = found.append  # type: ignore[method-assign]
    parser.feed(markup)
    parser.close()
    return "".join(found)


@given(st.lists(st.one_of(st.sampled_from(WORDS), st.text(max_size=12)), max_size=12).map(" ".join))
def test_text_is_kept_and_each_term_linked_at_most_once(text: str) -> None:
    markup = str(Explainer()(text))
    assert visible(markup) == visible(text.replace("&", "&amp;").replace("<", "&lt;"))
    for term in TERMS:
        assert markup.count(f'href="#term-{term.key}"') <= 1


def test_second_use_is_plain() -> None:
    explain = Explainer()
    assert 'href="#term-ci"' in explain("a 95% CI of")
    assert "<a" not in explain("another CI here")


def test_parts_of_words_are_no_terms() -> None:
    assert "<a" not in Explainer()("Greg's CIA sped up, dfs and gp")


def test_each_term_finds_itself() -> None:
    for term in TERMS:
        names = term.name.replace("(", ",").replace(")", "").split(",")
        assert any(
            f"#term-{term.key}" in Explainer((term,))(name.strip())
            or f"#term-{term.key}" in Explainer((term,))(name.strip().lower())
            for name in names
        ), term.key
