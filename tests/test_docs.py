"""The documentation is true: examples run, links lead somewhere, commands and names exist."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

import consilience

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", ["guide.md", "optimum.md"])
def test_pages_run_as_printed(page: str):
    result = doctest.testfile(str(ROOT / "docs" / page), module_relative=False)
    assert result.attempted > 20
    assert result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    targets = [t for t in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text) if "://" not in t]
    assert [t for t in targets if not (page.parent / t).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_names_and_targets_exist(page: Path):
    text = page.read_text(encoding="utf-8")
    names = set(re.findall(r"\bconsilience\.([a-z_]+)\(", text))
    assert names <= set(consilience.__all__)
    targets = set(re.findall(r"(?:^|`)make ([a-z]+)\b", text, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert [t for t in targets if not re.search(rf"^{t}:", makefile, re.M)] == []


def test_the_figures_of_the_readme_are_the_shipped_review(tmp_path):
    consilience.copy_example("immune", tmp_path / "immune")
    e = consilience.run(tmp_path / "immune").overall
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (
        f"{e.n_trials} randomised trials, average g {e.estimate:.2f}, 95% CI {e.ci_low:.2f} to {e.ci_high:.2f}"
        in text
    )


def test_counts_in_the_readme():
    from consilience.effects.measures import MEASURES

    assert f"{len(MEASURES)} effect-size [measures]" in (ROOT / "README.md").read_text(encoding="utf-8")
