"""Small linear algebra: one BLAS thread around small LAPACK, dependent columns, group codes, powers of two."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from .errors import InputError

RANK_TOLERANCE = 1e-10


def numbers(values: Any, what: str) -> np.ndarray:
    """`values` as a float array; else raise InputError ``not-numeric``."""
    try:
        return np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"The {what} must be numbers: {error}.", code="not-numeric") from error


@cache
def _controller() -> Any:
    """The BLAS libraries of this process, found once (the search takes milliseconds)."""
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Run the body with one BLAS thread: threads cost 25 times on batches of small matrices, and a fixed
    number of threads keeps results bit-identical."""
    if all(
        library.num_threads == 1 for library in _controller().lib_controllers if library.user_api == "blas"
    ):
        yield  # setting what is set costs as much as a small model
        return
    with _controller().limit(limits=1, user_api="blas"):
        yield


@cache
def lower_entries(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of a lower triangle with its diagonal, row by row. Shared: not to be written to."""
    return np.tril_indices(size)


@cache
def entries_below(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the entries below a diagonal, column by column. Shared: not to be written to."""
    columns, rows = np.triu_indices(size, 1)
    return rows, columns


def dependent_columns(x: np.ndarray, tolerance: float = RANK_TOLERANCE) -> list[int]:
    """Columns of the (k, p) matrix `x` that are linear combinations of the columns before them.

    Scale-free: each column is compared with what is left of it after the earlier ones (QR of unit columns).
    """
    k, p = x.shape
    if p == 1:
        return [] if x.any() else [0]
    largest = np.abs(x).max(axis=0, initial=0.0)
    unit = x / np.where(largest > 0, largest, 1.0)
    norms = np.sqrt((unit * unit).sum(axis=0))
    unit = unit / np.where(norms > 0, norms, 1.0)
    if _plainly_independent(unit):
        return []
    basis = np.zeros((k, 0))
    dependent = []
    for j in range(p):
        rest = unit[:, j].copy()
        for _ in range(2):  # twice is enough (Giraud & Langou 2005)
            rest -= basis @ (basis.T @ rest)
        length = float(np.linalg.norm(rest))
        if length <= tolerance:
            dependent.append(j)
        else:
            basis = np.column_stack([basis, rest / length])
    return dependent


def _plainly_independent(unit: np.ndarray) -> bool:
    """Are the columns of length one so far apart that their products tell it? (A square has half the digits.)"""
    try:
        return bool(np.linalg.cholesky(unit.T @ unit).diagonal().min(initial=1.0) > 1e-4)
    except np.linalg.LinAlgError:
        return False


def lower_factors(matrices: np.ndarray) -> np.ndarray:
    """Cholesky factors of (..., m, m). Raises InputError ``singular`` where rounding has left no positive definite matrix."""
    try:
        return np.asarray(np.linalg.cholesky(matrices))
    except np.linalg.LinAlgError:
        raise InputError(
            "A covariance matrix of the fit is singular to the digits of a number, so this cannot be computed.",
            code="singular",
            advice="Look for sampling variances far apart, correlations of one, and variances at their limits.",
        ) from None


def lower_root(g: np.ndarray) -> np.ndarray:
    """L (l, l), lower triangular, its diagonal not negative, with L L' = G for a positive semi-definite G."""
    values, vectors = np.linalg.eigh(g)
    lower = np.linalg.qr((vectors * np.sqrt(np.maximum(values, 0.0))).T)[1].T
    return np.asarray(lower * np.where(np.diag(lower) < 0, -1.0, 1.0))


def group_codes(labels: Iterable[Hashable]) -> tuple[np.ndarray, list[Hashable]]:
    """Integer codes (k,) of labels in order of first appearance, and the distinct labels."""
    every = list(labels)
    distinct = list(dict.fromkeys(every))
    code = dict(zip(distinct, range(len(distinct)), strict=True))
    return np.fromiter(map(code.__getitem__, every), dtype=np.intp, count=len(every)), distinct


def combine_codes(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """(k,) codes of the pairs (first, second), numbered from 0 without gaps."""
    _, codes = np.unique(first * (np.max(second, initial=0) + 1) + second, return_inverse=True)
    return codes.reshape(-1)


def binary_exponent(value: float) -> int:
    """The e with 2^e <= |value| < 2^(e+1); 0 for zero. Scaling by 2^e is exact."""
    return int(np.frexp(value)[1]) - 1 if value else 0


def rows_by_size(codes: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups of equal size together: [(group codes (n,), rows (n, m)), ...], sizes ascending, rows ascending."""
    order = np.argsort(codes, kind="stable")
    counts = np.bincount(codes)
    starts = np.cumsum(counts) - counts
    result = []
    for size in sorted(set(counts.tolist()) - {0}):
        groups = np.flatnonzero(counts == size)
        result.append((groups, order[starts[groups][:, None] + np.arange(size)]))
    return result


def row_norms(matrix: np.ndarray) -> np.ndarray:
    """(n,) lengths of the rows of (n, m), whose squares may be beyond the range of doubles."""
    size = np.abs(matrix).max(axis=1, keepdims=True, initial=0.0)
    unit = matrix / np.where(size > 0, size, 1.0)
    return np.asarray(size[:, 0] * np.sqrt((unit * unit).sum(axis=1)))
