"""The line of every key of a TOML text, compared with what tomllib reads and with a brute-force search."""

from __future__ import annotations

import tomllib
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consilience.review.toml_lines import key_lines, line_of

TRICKY = '''\
# [not.a.table]
top = 1
"quoted key" = { a = 1, "b c" = [1, 2] } # { x = 1 }
text = """
[nor.this]
key = "value" \\""" still inside """
raw = \'\'\'
[[nor]] this = 1 \'\'\'
dotted.inner."x.y" = 'a # b'

[table]
list = [
  1, # one
  "two ] ,", [ 3,
  4 ], { z = 5 },
]
date = 2020-01-01T00:00:00Z

[[items]]
name = "first"
[items.sub]
deep = true
[[items]]
name = "second"
  [[items.parts]]
  x = 1
  [[items.parts]]
  x = 2
[table.below]
y = -1.5e3
'''

LINES = {
    ("top",): 2,
    ("quoted key",): 3,
    ("quoted key", "b c"): 3,
    ("quoted key", "b c", 1): 3,
    ("text",): 4,
    ("raw",): 7,
    ("dotted", "inner", "x.y"): 9,
    ("table",): 11,
    ("table", "list", 0): 13,
    ("table", "list", 1): 14,
    ("table", "list", 2, 1): 15,
    ("table", "list", 3, "z"): 15,
    ("table", "date"): 17,
    ("items", 0): 19,
    ("items", 0, "name"): 20,
    ("items", 0, "sub"): 21,
    ("items", 0, "sub", "deep"): 22,
    ("items", 1, "name"): 24,
    ("items", 1, "parts", 0, "x"): 26,
    ("items", 1, "parts", 1): 27,
    ("items", 1, "parts", 1, "x"): 28,
    ("table", "below", "y"): 30,
}


def paths(value, path=()):
    """Every path in a parsed TOML document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from paths(inner, (*path, key))


@pytest.mark.parametrize("path", LINES, ids=str)
def test_lines(path):
    assert key_lines(TRICKY)[path] == LINES[path]


def test_every_path_that_tomllib_reads_has_a_line_and_no_other():
    assert set(key_lines(TRICKY)) == set(paths(tomllib.loads(TRICKY)))


@pytest.mark.parametrize("name", ["datasets/immune/review.toml", "review/templates/init/review.toml"])
def test_shipped_protocols(name):
    text = resources.files("consilience").joinpath(name).read_text(encoding="utf-8")
    found = key_lines(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    lines = text.splitlines()
    for path, line in found.items():
        if isinstance(path[-1], str):
            assert path[-1] in lines[line - 1]


def test_the_nearest_thing_around_a_path_that_is_not_there():
    lines = key_lines(TRICKY)
    assert line_of(lines, ("items", 1, "class")) == 23
    assert line_of(lines, ("nowhere",)) is None


keys = st.text("abc_-9", min_size=1, max_size=4)
values = st.recursive(
    st.integers(-99, 99) | st.booleans() | st.text("ab\"'#[]{},=\\\n ", max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def inline(value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
    if isinstance(value, list):
        return "[\n" + ",\n".join(inline(v) for v in value) + "]"
    return "{" + ", ".join(f"{k} = {inline(v)}" for k, v in value.items()) + "}"


@settings(deadline=None)
@given(st.dictionaries(keys, values, max_size=4))
def test_any_document(document):
    """Written with each top-level key at a known line."""
    text, starts = "", {}
    for key, value in document.items():
        starts[key] = text.count("\n") + 1
        text += f"{key} = {inline(value)}\n"
    found = key_lines(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    assert {key: found[(key,)] for key in document} == starts
