"""Which parameters of the random terms the data say nothing about, each by name.

With P = M^-1 - M^-1 X (X'M^-1 X)^-1 X'M^-1, the data see a change dM of the covariance only as P dM P. A parameter with
P dM P = 0 is hidden behind the coefficients (or touches no pair of effects); parameters whose P dM P depend on each other
linearly can be told apart only in combination. Both are found at one generic theta, and P dM P is probed by a few vectors
P dM P z, which have the same dependencies with probability one.

Source: Rothenberg (1971), Econometrica 39:577 (identification by the rank of the information); Harville (1977) for the
information of the restricted likelihood, 1/2 tr(P dM_i P dM_j).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .build import Setup, Unknown
from .terms import RandomTerm

FLAT = 1e-9  # share of a change that is left by the fixed part, below which it is hidden
DEPENDENT = 1e-8  # share of a change that is not a combination of others, below which it is one
MOST_NAMED = 4


@dataclass(frozen=True, eq=False)
class _Coordinate:
    """One column of the probe: its index in theta, its term, and its cell of G if that is any covariance matrix."""

    index: int
    term: int
    name: str
    cell: tuple[int, int] | None
    note: str = ""


def plainly_unidentified(setup: Setup) -> Unknown:
    """The part of it that needs no arithmetic: terms with the same levels, correlations of levels that never meet."""
    free = np.isnan(setup.problem.fixed)
    names = [parameter.name for parameter in setup.parameters]
    hidden = {
        later: f'"{names[later]}" has the same levels as "{names[earlier]}", only their sum can be estimated'
        for later, earlier in setup.twins
        if free[later]
    }
    start = 0
    for term in setup.terms:
        last = start + len(term.parameters) - 1
        if _is_shape(term) and free[last] and len(term.apart()) == _pairs(term):
            hidden[last] = f'"{names[last]}": no level of the outer factor has two levels of the inner one'
        start = last + 1
    return Unknown(tuple(sorted(hidden.items())), _apart(setup))


def unidentified(setup: Setup) -> Unknown:
    """What the data cannot decide; see `build.Unknown`."""
    if setup.unknown is not None:
        return setup.unknown
    plain = plainly_unidentified(setup)
    hidden, unseen, vague = dict(plain.hidden), list(plain.unseen), list[str]()
    free = np.isnan(setup.problem.fixed)
    left = free & ~np.isin(np.arange(len(free)), list(hidden))
    found = _probed(setup, left) if left.any() else None
    if found is None:
        return plain
    reasons = _reasons(*found)
    _name_linear(found[0], reasons, hidden)
    for number, term in enumerate(setup.terms):
        if term.structure.cells is not None:
            _name_cells(term, number, found[0], reasons=reasons, hidden=hidden, unseen=unseen, vague=vague)
    return Unknown(tuple(sorted(hidden.items())), tuple(unseen), tuple(vague))


def _is_shape(term: RandomTerm) -> bool:
    """Is the last parameter the one correlation (or range) of the term?"""
    return len(term.parameters) > 1 and term.structure.shaped


def _pairs(term: RandomTerm) -> int:
    return len(term.levels) * (len(term.levels) - 1) // 2


def _apart(setup: Setup) -> tuple[str, ...]:
    """Correlations of levels that never meet, by the names that the result gives them."""
    return tuple(
        f"{term.name}: {a}, {b}"
        for term in setup.terms
        if len(term.parameters) > len(term.levels) and not _is_shape(term)
        for a, b in term.apart()
        if not _is_given(term, a, b)
    )


def _is_given(term: RandomTerm, a: str, b: str) -> bool:
    """Is the correlation of two levels a given value?"""
    ends = (f"{a}, {b}", f"{b}, {a}")
    return any(np.isfinite(p.fixed) and p.name.endswith(ends) for p in term.parameters)


def _probed(setup: Setup, left: np.ndarray) -> tuple[list[_Coordinate], np.ndarray, np.ndarray] | None:
    """Coordinates (c), their visible changes (c, N) and the sizes (c,) of the whole changes; None where the covariance
    does not exist."""
    problem = setup.problem
    theta = np.where(left, _generic(setup), np.where(np.isnan(problem.fixed), 0.0, problem.fixed))
    theta = np.where(left, theta, np.clip(theta, problem.lower, problem.upper))
    factor = problem.layout.factor(theta, True)
    if factor is None:
        return None
    q, _ = np.linalg.qr(factor.whiten(problem.x))
    if not np.isfinite(q).all():
        return None
    z = factor.whiten(_probes(problem.k, problem.p, len(theta)))

    def beside(x: np.ndarray) -> np.ndarray:
        rest = x - q @ (q.T @ x)
        return np.asarray(rest - q @ (q.T @ rest))

    u = factor.back(np.column_stack([beside(z), z]))
    n = z.shape[1]
    seen, whole = [], []
    for i in np.flatnonzero(left):
        moved = factor.whiten(factor.apply(int(i), u))
        seen.append(beside(moved[:, :n]).ravel())
        whole.append(moved[:, n:].ravel())
    coordinates, seen_by, whole_by = _in_cells(setup, theta, left, seen=np.array(seen), whole=np.array(whole))
    return coordinates, seen_by, np.linalg.norm(whole_by, axis=1)


def _probes(k: int, p: int, q: int) -> np.ndarray:
    """(k, n) vectors in general position: enough for P dM P z to have the rank of P dM P."""
    count = 2 + (2 * q) // max(k - p, 1)
    return np.random.default_rng(1971).standard_normal((k, min(count, 2 * k)))


def _generic(setup: Setup) -> np.ndarray:
    """(q,) a theta without special values: seeds times factors that no formula would have."""
    uneven = 0.75 + 0.25 * np.modf(np.arange(1, len(setup.parameters) + 1) * 0.6180339887498949)[0]
    seeds = [max(p.more) if p.name.endswith("range") and p.more else p.seed for p in setup.parameters]
    return np.asarray(np.clip(np.array(seeds) * uneven, setup.problem.lower, setup.problem.upper))


def _in_cells(
    setup: Setup, theta: np.ndarray, left: np.ndarray, *, seen: np.ndarray, whole: np.ndarray
) -> tuple[list[_Coordinate], np.ndarray, np.ndarray]:
    """Changes by entries of a Cholesky factor turned into changes by entries of G."""
    place = np.cumsum(left) - 1
    coordinates, start = [], 0
    for number, term in enumerate(setup.terms):
        stop = start + len(term.parameters)
        cells, own = term.structure.cells, [i for i in range(start, stop) if left[i]]
        if cells is None:
            coordinates += [
                _Coordinate(i, number, setup.parameters[i].name, None, _count(term, i - start)) for i in own
            ]
        elif own:
            slopes = term.structure.evaluate(theta[start:stop])[1][:, cells[0], cells[1]]
            inverse, at = np.linalg.inv(slopes), place[own]
            seen[at], whole[at] = inverse @ seen[at], inverse @ whole[at]
            levels = [(min(c), max(c)) for c in zip(cells[0].tolist(), cells[1].tolist(), strict=True)]
            coordinates += [
                _Coordinate(i, number, cell_name(term, c), c, _count(term, max(c)))
                for i, c in zip(own, levels, strict=True)
            ]
        start = stop
    return coordinates, seen, whole


def cell_name(term: RandomTerm, cell: tuple[int, int]) -> str:
    """Name of a variance or a correlation, as in the components of a fit."""
    a, b = (term.levels[i] for i in cell)
    return f"{term.name}: {a}" if cell[0] == cell[1] else f"{term.name}: {a}, {b}"


def pair_names(term: RandomTerm) -> dict[str, str]:
    """Names of the correlations of a term, from the one that starts with the later level to the usual one."""
    pairs = [(i, j) for i in range(len(term.levels)) for j in range(i + 1, len(term.levels))]
    return {cell_name(term, (j, i)): cell_name(term, (i, j)) for i, j in pairs}


def _reasons(coordinates: list[_Coordinate], seen: np.ndarray, whole: np.ndarray) -> dict[int, str]:
    """Index in theta -> why it cannot be estimated beside those before it; terms with more parameters come first."""
    size = np.linalg.norm(seen, axis=1)
    result: dict[int, str] = {}
    kept: list[int] = []
    basis = np.empty((0, seen.shape[1]))
    counts = np.bincount([c.term for c in coordinates])
    for j in sorted(range(len(coordinates)), key=lambda j: (-counts[coordinates[j].term], j)):
        one = coordinates[j]
        if size[j] <= FLAT * whole[j] or whole[j] == 0.0:
            result[one.index] = f'"{one.name}" cannot be told apart from the coefficients{one.note}'
            continue
        rest = seen[j] / size[j]
        for _ in range(2):
            rest = rest - (rest @ basis.T) @ basis
        length = float(np.linalg.norm(rest))
        if length > DEPENDENT:
            kept.append(j)
            basis = np.concatenate([basis, rest[None] / length])
            continue
        scaled = seen[kept] / size[kept, None]
        share = np.linalg.lstsq(scaled.T, seen[j] / size[j], rcond=None)[0]
        others = [coordinates[kept[n]].name for n in np.flatnonzero(np.abs(share) > 1e-6)]
        result[one.index] = f'"{one.name}" cannot be told apart from {_listed(others)}'
    return result


def _count(term: RandomTerm, level: int) -> str:
    """Is the level of a parameter one that a single effect has?"""
    by_level = (
        term.slopes is None and len(term.levels) > 1 and len(term.parameters) >= len(term.levels) > level
    )
    return " (that level has one effect)" if by_level and np.sum(term.inner == level) == 1 else ""


def _listed(names: list[str]) -> str:
    quoted = [f'"{name}"' for name in names[:MOST_NAMED]]
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(quoted) + more


def _name_linear(coordinates: list[_Coordinate], reasons: dict[int, str], hidden: dict[int, str]) -> None:
    for one in coordinates:
        if one.cell is None and one.index in reasons:
            hidden.setdefault(one.index, reasons[one.index])


def _name_cells(
    term: RandomTerm,
    number: int,
    coordinates: list[_Coordinate],
    *,
    reasons: dict[int, str],
    hidden: dict[int, str],
    unseen: list[str],
    vague: list[str],
) -> None:
    """A level of which nothing is known is taken as zero; else what is not known is named."""
    own = [c for c in coordinates if c.term == number and c.cell is not None]
    lost = {
        level
        for level in range(len(term.levels))
        if all(c.index in reasons for c in own if level in (c.cell or ()))
    }
    for one in own:
        assert one.cell is not None
        if lost.intersection(one.cell):
            level = next(i for i in one.cell if i in lost)
            whole = next(c for c in own if c.cell == (level, level))
            hidden[one.index] = reasons[whole.index]
        elif one.index in reasons and one.name not in unseen:
            vague.append(reasons[one.index])
    kept = [name for name in unseen if name not in {c.name for c in own if c.index in hidden}]
    unseen[:] = kept
