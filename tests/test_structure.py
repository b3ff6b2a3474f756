"""The shape of the house is under test: import layers, sizes, names, public API, light import, generated docs."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

import consilience

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "consilience"
MODULES = sorted(SOURCE.rglob("*.py"))
SNAPSHOT = Path(__file__).with_name("public_api.txt")
HEAVY = (
    "pandas",
    "polars",
    "pyarrow",
    "narwhals",
    "formulaic",
    "matplotlib",
    "scipy.stats",
    "typer",
    "rich",
    "jinja2",
    "pydantic",
    "numba",
)

# Exceptions to the limits of size. The list may only shrink: an entry that is no longer needed fails the test.
LONG_FUNCTIONS: dict[str, int] = {}
MANY_ARGUMENTS: set[str] = {"cli.example.example"}  # typer reads a command's options from its signature
MANY_METHODS: set[str] = set()


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts)


def definitions(kind: type[ast.AST]) -> list[tuple[str, ast.AST]]:
    """(dotted name, node) of every function or class in the source."""
    found = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                found.append((f"{name_of(path)}.{node.name}", node))  # type: ignore[attr-defined]
    return found


def test_layers_hold():
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_file_is_short(path: Path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 500


def body_lines(node: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    body = node.body
    if ast.get_docstring(node) is not None:
        body = body[1:]
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_functions_are_short():
    long = {name: body_lines(node) for name, node in definitions(ast.FunctionDef) if body_lines(node) > 40}
    assert {n for n, size in long.items() if size > LONG_FUNCTIONS.get(n, 0)} == set()
    assert set(LONG_FUNCTIONS) <= set(long), "shorten the list of exceptions"


def test_functions_take_few_arguments():
    def count(node: ast.FunctionDef) -> int:
        names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        return len([n for n in names if n not in ("self", "cls")])

    many = {name for name, node in definitions(ast.FunctionDef) if count(node) > 7}
    assert many == MANY_ARGUMENTS


def test_classes_are_small():
    def methods(node: ast.ClassDef) -> int:
        return sum(isinstance(item, ast.FunctionDef) for item in node.body)

    assert {name for name, node in definitions(ast.ClassDef) if methods(node) > 12} == MANY_METHODS


def test_no_folder_without_a_subject():
    names = {path.name for path in SOURCE.rglob("*") if path.is_dir()} | {path.stem for path in MODULES}
    assert not names & {"utils", "helpers", "common", "core", "misc"}


def test_no_public_function_bears_a_folder_name():
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()}
    assert not folders & {n for n in consilience.__all__ if callable(getattr(consilience, n))}


def test_public_functions_and_modules_have_docstrings():
    missing = [
        name_of(p) for p in MODULES if ast.get_docstring(ast.parse(p.read_text(encoding="utf-8"))) is None
    ]
    assert missing == []
    public = [getattr(consilience, n) for n in consilience.__all__ if n != "__version__"]
    assert [p for p in public if not inspect.getdoc(p)] == []


def test_import_is_light():
    code = f"import sys, consilience; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_is_light():
    code = (
        "import sys\nfrom consilience.cli import run_command_line\nrun_command_line(['--help'])\n"
        "print([m for m in ('pandas','polars','pyarrow','matplotlib','scipy','pydantic','jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


def public_api() -> str:
    """One line per public name: what it is and its signature or fields."""
    lines = []
    for name in consilience.__all__:
        thing = getattr(consilience, name)
        if name == "__version__":
            continue
        if is_dataclass(thing):
            lines.append(f"class {name}({', '.join(f.name for f in fields(thing))})")
        else:
            signature = str(inspect.signature(thing)).replace("'", "")
            lines.append(f"def {name}{signature}")
    return "\n".join(lines) + "\n"


def test_public_api_is_as_recorded():
    """A change here is a change for users: look at it, then run `python tests/test_structure.py`."""
    assert public_api() == SNAPSHOT.read_text(encoding="utf-8")


def test_every_subpackage_imports_alone():
    for folder in sorted(p.parent.name for p in SOURCE.glob("*/__init__.py")):
        assert importlib.import_module(f"consilience.{folder}").__doc__, folder


def test_generated_docs_are_current():
    sys.path.insert(0, str(ROOT / "docs"))
    try:
        import build
    finally:
        sys.path.pop(0)
    stale = [
        name
        for name, text in build.pages().items()
        if (ROOT / "docs" / name).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `make docs`"


if __name__ == "__main__":
    SNAPSHOT.write_text(public_api(), encoding="utf-8")
