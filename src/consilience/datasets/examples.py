"""The example reviews by name, and copies of them in a folder."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from ..base.errors import UsageError
from ..base.options import choose
from .folder import empty_folder

_EXAMPLES = {
    "immune": "22 real trials of psychosocial interventions with immune outcomes, as reported (a convenience sample)",
    "planted": "a simulated review whose true answer you set; synthetic, to see whether the truth is found again",
}


def examples() -> dict[str, str]:
    """Name and one-line description of each example review."""
    return dict(_EXAMPLES)


def copy_example(name: str, folder: Path | str, **options: Any) -> Path:
    """Put an example review into a new or empty folder.

    Parameters
    ----------
    name : one of `examples()`.
    folder : where to put it.
    options : fields of `Truth` (and ``seed``) for ``"planted"``; none for the others.

    Returns
    -------
    The folder.

    Raises
    ------
    OptionError : unknown name. UsageError : the folder holds something, or options that the example does not have.
    InputError : a truth that cannot be simulated.
    """
    choose(name, _EXAMPLES, what="Example")
    if name == "planted":
        return _write_planted(folder, options)
    if options:
        listed = ", ".join(sorted(options))
        raise UsageError(f'The example "{name}" has no options; got {listed}.', code="example-options")
    target = empty_folder(folder)
    for entry in sorted(resources.files(__package__).joinpath(name).iterdir(), key=lambda e: e.name):
        if entry.is_file() and not entry.name.startswith("."):
            (target / entry.name).write_bytes(entry.read_bytes())
    return target


def _write_planted(folder: Path | str, options: dict[str, Any]) -> Path:
    from .planted import write_planted
    from .truth import Truth

    return write_planted(folder, Truth.from_options(options), seed=int(options.get("seed", 1)))
