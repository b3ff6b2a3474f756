"""Every reference case of effect sizes and conversions through the same readers as `make verify`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from verify import convert_misc, escalc

FOLDER = Path(__file__).parent / "reference"
CONTENT = {
    reader.TOPIC: json.loads((FOLDER / f"{reader.TOPIC}.json").read_text())
    for reader in (escalc, convert_misc)
}
EXPLAINED = {"R2F", "ZR2F"}  # tests/reference/DIFFERENCES.md


@pytest.mark.parametrize("reader", [escalc, convert_misc], ids=lambda reader: reader.TOPIC)
def test_reference_cases_agree(reader):
    content = CONTENT[reader.TOPIC]
    found = {case["id"]: reader.check(case, content["datasets"], {}) for case in content["cases"]}
    assert [name for name, outcome in found.items() if outcome.status == "differ"] == []
    assert [name for name, outcome in found.items() if outcome.status == "uncovered"] == []
    explained = {name for name, outcome in found.items() if outcome.status == "explained"}
    assert {name.split("/")[1] for name in explained} <= EXPLAINED


def test_readers_take_their_data_from_the_file():
    """The same calls on other numbers: a shifted table gives other effects, and the reader notices."""
    content = CONTENT["escalc"]
    case = next(c for c in content["cases"] if c["id"] == "escalc/OR/bcg")
    data = {name: list(values) for name, values in content["datasets"]["bcg"].items()}
    assert escalc.check(case, {"bcg": data}, {}).status == "agree"
    data["ai"][0] += 1
    assert escalc.check(case, {"bcg": data}, {}).status == "differ"
