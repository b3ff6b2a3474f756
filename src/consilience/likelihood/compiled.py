"""Whether single analyses go through the kernels that numba compiles."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.util import find_spec

from ..base.errors import InputError

_WANTED: ContextVar[bool] = ContextVar("compiled", default=False)


def wanted() -> bool:
    """Is the body of `compiled` running?"""
    return _WANTED.get()


def available() -> bool:
    """Is numba installed?"""
    return find_spec("numba") is not None


@contextmanager
def compiled() -> Iterator[None]:
    """Within its body single fits are searched by compiled kernels too, as large batches always are.

    For programs that call `fit` many times. The first call loads numba (half a second; once after installation the
    kernels are compiled, some ten seconds). Numbers agree with those of NumPy to 1e-10. Without it single fits
    use NumPy, so that the same script gives the same bits whatever ran before.

    Raises InputError ``numba-missing`` if numba is not installed.
    """
    if not available():
        raise InputError(
            "The compiled kernels need numba, which is not installed.",
            code="numba-missing",
            advice='Install it with: pip install "numba"; everything works without it, more slowly.',
        )
    token = _WANTED.set(True)
    try:
        yield
    finally:
        _WANTED.reset(token)
