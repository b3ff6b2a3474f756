"""Other words for the same g: against simulation, published examples and their own limits."""

from __future__ import annotations

import numpy as np
import pytest

import consilience
from consilience.effects.readings import readings
from consilience.records import Instrument


def by_key(*arguments: float, **options: object) -> dict:
    return {r.key: r for r in readings(*arguments, **options)}  # type: ignore[arg-type]


def test_shares_are_those_of_two_simulated_groups():
    rng = np.random.default_rng(6)
    treated, control = rng.normal(0.5, 1, 4_000_000), rng.normal(0, 1, 4_000_000)
    found = by_key(0.5, 0.2, 0.8)
    assert found["u3"].value == pytest.approx(100 * np.mean(treated > 0), abs=0.1)
    assert found["superiority"].value == pytest.approx(100 * np.mean(treated > control), abs=0.1)
    cut = 0.25  # where the two densities cross
    assert found["overlap"].value == pytest.approx(
        100 * (np.mean(treated < cut) + np.mean(control > cut)), abs=0.1
    )


def test_published_examples():
    """Furukawa & Leucht 2011: d = 0.5 at a response of 20% is an NNT of 6.0; Rosenthal & Rubin 1982: r = .32, 66%."""
    found = by_key(0.5, 0.2, 0.8, response_rate=0.2)
    assert found["nnt"].value == pytest.approx(6.0, abs=0.05)
    d = 2 * 0.32 / (1 - 0.32**2) ** 0.5
    assert by_key(d, 0, 1)["besd"].value == pytest.approx(66, abs=0.1)


def test_limits_go_through_the_same_transform():
    found = by_key(0.3, 0.1, 0.5, response_rate=0.3, instruments=(Instrument("BDI", 9.0, "points"),))
    for key in ("u3", "superiority", "besd", "response"):
        at = [by_key(g, g, g, response_rate=0.3)[key].value for g in (0.1, 0.5)]
        assert [found[key].low, found[key].high] == pytest.approx(at)
    assert found["nnt"].low < found["nnt"].value < found["nnt"].high
    assert found["raw/BDI"].value == pytest.approx(2.7)
    assert found["overlap"].low < found["overlap"].value < found["overlap"].high < 100


def test_an_interval_that_covers_no_effect_is_no_pair_of_numbers_for_the_nnt():
    found = by_key(0.2, -0.1, 0.5, response_rate=0.3)
    assert np.isnan(found["nnt"].low)
    assert "runs through infinity" in found["nnt"].meaning
    assert found["overlap"].high == 100.0
    assert found["u3"].low < 50 < found["u3"].high


def test_without_a_declared_rate_there_is_no_number_needed_to_treat():
    assert "nnt" not in by_key(0.3, 0.1, 0.5)


def test_the_protocol_declares_them_and_the_report_shows_them(tmp_path):
    folder = tmp_path / "review"
    consilience.init(folder)
    protocol = folder / "review.toml"
    text = protocol.read_text(encoding="utf-8")
    extra = '\n[readings]\nresponse_rate = 0.3\ninstruments = [{ name = "<b>BDI</b>", sd = 9.0, unit = "points" }]\n'
    protocol.write_text(text + extra, encoding="utf-8")
    analysis = consilience.run(folder)
    assert {"u3", "nnt", "raw/<b>BDI</b>"} <= {r.key for r in analysis.readings}
    page = consilience.write_report(analysis, tmp_path / "out").read_text(encoding="utf-8")
    assert "number needed to treat" in page
    assert "<b>BDI</b>" not in page
    assert "&lt;b&gt;BDI" in page


def test_a_rate_outside_its_range_is_an_error_with_its_line(tmp_path):
    folder = tmp_path / "review"
    consilience.init(folder)
    protocol = folder / "review.toml"
    text = protocol.read_text(encoding="utf-8") + "\n[readings]\nresponse_rate = 30\n"
    protocol.write_text(text, encoding="utf-8")
    errors = [n for n in consilience.load(folder).notes if n.severity == "error"]
    assert len(errors) == 1
    assert errors[0].row == len(text.splitlines())
