"""The report in a real browser: silent, alone, operable by keyboard, readable, safe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis_example import example_analysis
from consilience.records import Note, Paragraph
from consilience.report.html import render_html
from consilience.report.picture import draw_figures
from report_page import HOSTILE

pytestmark = pytest.mark.browser
CONTRAST = (Path(__file__).parent / "contrast.js").read_text()
LONG = "Long" * 40


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with hostile and very long names in it, and every severity of note."""
    analysis = example_analysis(labels=(HOSTILE, LONG))
    notes = [Note("some-code", severity, f"{LONG} {HOSTILE}") for severity in ("error", "warning", "info")]
    answer = (*analysis.answer, Paragraph("What else", (f"{HOSTILE} {LONG}",)))
    analysis = replace(analysis, notes=(*analysis.notes, *notes), answer=answer)
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render_html(analysis, draw_figures(analysis)), encoding="utf-8")
    return path


class Opened:
    """A page with everything that it said, asked for or broke."""

    def __init__(self, browser: Any, report: Path, **options: Any) -> None:
        self.page = browser.new_page(**options)
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.blocked: list[tuple[str, str]] = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda request: self.blocked.append((request.url, request.failure)))
        self.page.on("dialog", lambda dialog: (self.trouble.append(dialog.message), dialog.dismiss()))
        self.page.goto(report.as_uri())


@pytest.fixture
def opened(browser: Any, report: Path) -> Iterator[Opened]:
    found = Opened(browser, report, viewport={"width": 1280, "height": 900})
    yield found
    found.page.close()


def test_it_is_silent_and_asks_for_nothing(opened: Opened, report: Path) -> None:
    opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    opened.page.wait_for_timeout(200)
    assert opened.trouble == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [report.as_uri()]


def test_landmarks_and_headings(opened: Opened) -> None:
    page = opened.page
    assert [page.locator(tag).count() for tag in ("main", "body > header", "nav", "body > footer", "h1")] == [
        1
    ] * 5
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.evaluate("""[...document.querySelectorAll('section')].every(s => {
        const heading = document.getElementById(s.getAttribute('aria-labelledby'));
        return heading && heading.tagName === 'H2' && s.contains(heading); })""")
    unnamed = "[...document.querySelectorAll('figure svg')].filter(s => !s.closest('[aria-hidden]') && !s.parentElement.closest('svg') && !s.getAttribute('aria-label') && !s.getAttribute('aria-labelledby')).length"
    assert page.evaluate(unnamed) == 0


def test_the_fold_works_by_keyboard(opened: Opened) -> None:
    page = opened.page
    trial = page.locator("details.trial").first
    effect = trial.locator(".effect").first
    assert not effect.is_visible()
    trial.locator("summary").focus()
    page.keyboard.press("Enter")
    assert effect.is_visible()
    page.keyboard.press("Space")
    assert not effect.is_visible()


def test_the_first_tab_skips_to_the_answer(opened: Opened) -> None:
    page = opened.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") == "#answer"


def test_every_effect_unfolds_at_once_and_folds_again(opened: Opened) -> None:
    page = opened.page
    page.get_by_role("button", name="Unfold every effect").click()
    assert page.locator("details.trial:not([open])").count() == 0
    page.get_by_role("button", name="Fold the effects away").click()
    assert page.locator("details.trial[open]").count() == 0
    assert page.locator("details.group:not([open])").count() == 0


def test_a_number_leads_to_its_table_even_when_that_is_folded(opened: Opened) -> None:
    page = opened.page
    table = page.locator("#table-overall")
    assert not table.is_visible()
    page.locator("#numbers a.num").first.click()
    page.wait_for_timeout(100)
    assert table.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_all_text_has_aa_contrast(browser: Any, report: Path, scheme: str, width: int) -> None:
    found = Opened(browser, report, viewport={"width": width, "height": 900}, color_scheme=scheme)
    found.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    measured = found.page.evaluate(CONTRAST)
    found.page.close()
    assert measured["looked"] > 400
    assert measured["poor"] == []


def test_poor_contrast_would_be_seen(opened: Opened) -> None:
    opened.page.evaluate("document.querySelector('h1').attributeStyleMap.set('color', '#bbbbbb')")
    assert [row[1] for row in opened.page.evaluate(CONTRAST)["poor"]] == ["1.92"]


@pytest.mark.parametrize("width", [320, 360, 768, 1100, 1920])
def test_no_sideways_scrolling(browser: Any, report: Path, width: int) -> None:
    found = Opened(browser, report, viewport={"width": width, "height": 800})
    found.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert found.page.evaluate("document.documentElement.scrollWidth") <= width
    found.page.close()


def test_hostile_names_stay_text(opened: Opened) -> None:
    assert opened.page.locator("img").count() == 0
    assert opened.page.locator(".forest").inner_text().count(HOSTILE) == 1
    assert opened.trouble == []


def test_the_policy_stops_an_injected_script_and_style(opened: Opened) -> None:
    page = opened.page
    page.evaluate("""() => {
        const script = document.createElement('script');
        script.textContent = 'window.injected = true';
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<p id="styled" style="color: red" onclick="window.injected = true">x</p>');
        document.getElementById('styled').click();
        const image = new Image();
        image.src = 'https://example.org/beacon.png';
        document.body.append(image);
    }""")
    page.wait_for_timeout(200)
    assert page.evaluate("window.injected") is None
    assert page.evaluate("getComputedStyle(document.getElementById('styled')).color") != "rgb(255, 0, 0)"
    assert len([text for text in opened.trouble if "Content Security Policy" in text]) >= 3
    assert opened.blocked == [("https://example.org/beacon.png", "csp")]


def test_paper_gets_everything_but_the_longest_tables(browser: Any, report: Path) -> None:
    found = Opened(browser, report)
    found.page.evaluate("""() => {
        window.printed = null;
        window.addEventListener('beforeprint', () => {
            window.printed = document.querySelectorAll('details:not([open]):not(.no-print)').length; });
    }""")
    document = found.page.pdf(prefer_css_page_size=True)
    assert document.startswith(b"%PDF")
    assert found.page.evaluate("window.printed") == 0
    assert found.page.locator("details.trial[open]").count() == 0  # folded again afterwards
    found.page.close()
