"""Output that is there completely or not at all, also when the program is killed."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ..base.errors import UsageError

MANIFEST = ".consilience-output"
_LOCK = ".lock"


def write_atomic(path: Path | str, content: bytes) -> None:
    """Write a file by writing it beside its place and renaming it; an older file stays until then."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.partial-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


@contextmanager
def output_folder(path: Path | str) -> Iterator[Path]:
    """A folder to fill; it takes its place at `path` only when the block ends without an exception.

    An older output at `path` is replaced, files of another origin never are. What killed runs left beside
    it is removed first.

    Raises
    ------
    UsageError : ``output-exists`` if `path` is a file or holds files that an earlier run did not write.
    """
    target = Path(os.path.abspath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    _tidy(target)
    _refuse_foreign(target)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    lock = _hold(partial / _LOCK)
    try:
        yield partial
        names = sorted(p.relative_to(partial).as_posix() for p in partial.rglob("*") if p.is_file())
        text = "".join(f"{name}\n" for name in names if name != _LOCK)
        (partial / MANIFEST).write_text(text, encoding="utf-8")
        os.chmod(partial, 0o777 & ~_umask())
        _refuse_foreign(target)
    except BaseException:
        lock.close()
        shutil.rmtree(partial, ignore_errors=True)
        raise
    lock.close()
    (partial / _LOCK).unlink()
    _swap(partial, target)


@contextmanager
def new_folder(path: Path | str) -> Iterator[Path]:
    """A folder to fill that appears at `path` only when the block ends without an exception.

    Raises
    ------
    UsageError : ``folder-not-empty`` if `path` is a file or holds anything.
    """
    target = Path(os.path.abspath(path))
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UsageError(
            f'"{target}" exists and is not an empty folder.',
            code="folder-not-empty",
            advice="Choose a new name; nothing was written.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{target.name}.partial-", dir=target.parent))
    try:
        yield partial
        os.chmod(partial, 0o777 & ~_umask())
        if target.exists():
            target.rmdir()
        partial.rename(target)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def _swap(partial: Path, target: Path) -> None:
    """Put the finished folder in its place. A kill between the two renames is repaired by the next run."""
    old = partial.with_name(partial.name.replace(".partial-", ".old-"))
    if target.exists():
        target.rename(old)
    partial.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _tidy(target: Path) -> None:
    """Remove what killed runs left; put an old output back if a kill hit between the two renames."""
    name = glob.escape(target.name)
    for old in target.parent.glob(f".{name}.old-*"):
        if target.exists():
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.rename(target)
    for partial in target.parent.glob(f".{name}.partial-*"):
        if partial.is_dir() and not _held(partial / _LOCK):
            shutil.rmtree(partial, ignore_errors=True)


def _refuse_foreign(target: Path) -> None:
    if not target.exists():
        return
    advice = "Choose another folder, or remove what is there."
    if not target.is_dir():
        raise UsageError(f'"{target}" is a file, not a folder.', code="output-exists", advice=advice)
    manifest = target / MANIFEST
    known = (
        set(manifest.read_text(encoding="utf-8").splitlines()) | {MANIFEST} if manifest.is_file() else set()
    )
    present = (
        p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir() or p.is_symlink()
    )
    foreign = sorted(name for name in present if name not in known)
    if foreign:
        message = f'"{target}" holds files that an earlier run did not write ("{foreign[0]}"); nothing was replaced.'
        raise UsageError(message, code="output-exists", advice=advice)


def _hold(path: Path) -> IO[bytes]:
    """An open, locked file: the sign that the run which fills this folder is alive."""
    file = path.open("wb")
    if os.name == "posix":
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _held(path: Path) -> bool:
    """Whether a live process holds the lock. Windows does not delete open files, which protects them there."""
    if os.name != "posix" or not path.exists():
        return False
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
