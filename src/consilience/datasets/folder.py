"""A folder to write an example into."""

from __future__ import annotations

from pathlib import Path

from ..base.errors import UsageError


def empty_folder(folder: Path | str) -> Path:
    """The folder, made if it is not there.

    Raises
    ------
    UsageError : ``folder-is-file`` or ``folder-not-empty``.
    """
    target = Path(folder)
    if target.is_file():
        raise UsageError(
            f'"{target}" is a file, not a folder.', code="folder-is-file", advice="Choose another name."
        )
    if target.is_dir() and any(target.iterdir()):
        raise UsageError(
            f'The folder "{target}" is not empty; nothing was written.',
            code="folder-not-empty",
            advice="Choose a new folder, or empty this one.",
        )
    target.mkdir(parents=True, exist_ok=True)
    return target
