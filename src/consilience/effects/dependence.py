"""The sampling covariance matrix V of a review: known structure where there is one, constant correlation elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from consilience.base.errors import InputError
from consilience.records import Block, Effects, Note

SMALLEST_EIGENVALUE = 1e-8  # of the correlation matrix, relative to its largest
TIME_CORRELATION = 0.5  # of two changes from one baseline under compound symmetry, whatever r is


@dataclass(frozen=True, eq=False)
class _Study:
    """The effects of one study: (m,) arrays; parts are the arms' shares of v, `rest` what is left of it."""

    y: np.ndarray
    v: np.ndarray
    parts: tuple[np.ndarray, np.ndarray]  # treated, control
    sizes: tuple[np.ndarray, np.ndarray]
    arms: tuple[np.ndarray, np.ndarray]  # integer codes
    outcome: np.ndarray
    change: np.ndarray  # True where the effect is one of change since baseline
    weeks: np.ndarray
    time: np.ndarray


def fill_covariance(effects: Effects, rho: float) -> tuple[tuple[Block, ...], tuple[Note, ...]]:
    """Sampling covariance of all pairs of effects within a study.

    - same outcome and arms, two times: changes from a shared baseline correlate by .5 (compound symmetry), the SD's
      part by g1 g2;
    - same outcome and time, one arm shared: that arm's share of both variances;
    - two outcomes of the same arms and time: rho sqrt(v1 v2);
    - combinations multiply: another outcome against a shared control has rho times the shared part;
    - no arm in common: 0.
    A block that is not positive definite has its covariances shrunk by the smallest factor that makes it so.

    Parameters
    ----------
    effects : result of `trial_effects` or `trial_ratios` (needs their columns).
    rho : correlation of effects of the same people whose dependence is unknown, 0 <= rho < 1.

    Returns
    -------
    (blocks, notes) : one block per study with at least two effects that depend; what was assumed and repaired.

    Raises
    ------
    InputError with code ``rho-out-of-range``.

    Source: METHODS of `covariance`; Pustejovsky & Tipton (2022) for the constant correlation.
    """
    if not 0 <= rho < 1:
        raise InputError(f"rho is {rho:g}; it must be at least 0 and below 1.", code="rho-out-of-range")
    blocks: list[Block] = []
    notes: list[Note] = []
    codes = _codes(effects)
    for study, rows in _by_study(effects.study):
        if len(rows) < 2:
            continue
        one = _study(effects, codes, rows)
        matrix, note = make_definite(_matrix(one, rho), study)
        if note is not None:
            notes.append(replace(note, rows=tuple(rows.tolist())))
        if np.any(matrix[~np.eye(len(rows), dtype=bool)] != 0):
            blocks.append(Block(rows, matrix))
    if blocks:
        notes.append(_assumption_note(rho, len(blocks)))
    return tuple(blocks), tuple(notes)


def with_covariance(effects: Effects, rho: float) -> Effects:
    """The same effects with `fill_covariance` at this rho; notes of an earlier filling are replaced."""
    blocks, notes = fill_covariance(effects, rho)
    kept = tuple(n for n in effects.notes if n.code not in ("covariance-assumed", "covariance-not-definite"))
    return replace(effects, blocks=blocks, notes=kept + notes)


def _by_study(study: np.ndarray) -> list[tuple[str, np.ndarray]]:
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(study.tolist()):
        groups.setdefault(name, []).append(row)
    return [(name, np.array(rows, dtype=np.intp)) for name, rows in groups.items()]


def _codes(effects: Effects) -> dict[str, np.ndarray]:
    """Integers for names, so that pairs compare fast."""
    arms = np.concatenate([effects["treatment"], effects["control"]])
    _, arm_codes = np.unique(arms.astype(str), return_inverse=True)
    _, outcome = np.unique(effects["outcome"].astype(str), return_inverse=True)
    _, time = np.unique(effects["time"].astype(str), return_inverse=True)
    return {
        "treatment": arm_codes[: effects.k],
        "control": arm_codes[effects.k :],
        "outcome": outcome,
        "time": time,
    }


def _study(effects: Effects, codes: dict[str, np.ndarray], rows: np.ndarray) -> _Study:
    return _Study(
        effects.y[rows],
        effects.v[rows],
        (effects["part_treatment"][rows], effects["part_control"][rows]),
        (effects["n_treatment"][rows], effects["n_control"][rows]),
        (codes["treatment"][rows], codes["control"][rows]),
        codes["outcome"][rows],
        effects["basis"][rows] == "change",
        effects["weeks"][rows],
        codes["time"][rows],
    )


def _pairs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x[:, None], x[None, :]


def _matrix(s: _Study, rho: float) -> np.ndarray:
    """(m, m) covariance of one study's effects."""
    outcome_1, outcome_2 = _pairs(s.outcome)
    same_outcome = outcome_1 == outcome_2
    time = _time_correlation(s, rho)
    shared, overlap = _shared_parts(s)
    v = np.sqrt(s.v[:, None] * s.v[None, :])
    parts = s.parts[0] + s.parts[1]
    rest = np.sqrt(np.maximum(s.v - parts, 0.0)) * np.sign(s.y)
    known = time * shared + overlap * rest[:, None] * rest[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = shared / np.sqrt(parts[:, None] * parts[None, :])
    working = rho * time * np.where(np.isfinite(share), share, 0.0) * v
    matrix: np.ndarray = np.where(same_outcome, known, working)
    matrix = (matrix + matrix.T) / 2  # the two halves may differ in the last digit
    np.fill_diagonal(matrix, s.v)
    return matrix


def _time_correlation(s: _Study, rho: float) -> np.ndarray:
    """1 at the same time; .5 between two changes from one baseline; rho where one of them is not a change."""
    w1, w2 = _pairs(s.weeks)
    t1, t2 = _pairs(s.time)
    unknown = np.isnan(w1) | np.isnan(w2)
    same = np.where(unknown, t1 == t2, np.abs(w1 - w2) < 1e-9)
    both = s.change[:, None] & s.change[None, :]
    return np.where(same, 1.0, np.where(both, TIME_CORRELATION, rho))


def _shared_parts(s: _Study) -> tuple[np.ndarray, np.ndarray]:
    """Covariance through the arms that two effects share, and the share of people behind both SDs.

    An arm that is treated in one and control in the other enters with a minus. Where fewer people are left at one
    time, the fewer are taken to be among the more.
    """
    m = len(s.v)
    shared, people = np.zeros((m, m)), np.zeros((m, m))
    total = s.sizes[0] + s.sizes[1]
    for i in (0, 1):
        for j in (0, 1):
            same = s.arms[i][:, None] == s.arms[j][None, :]
            n1, n2 = s.sizes[i][:, None], s.sizes[j][None, :]
            ratio = np.fmin(n1, n2) / np.fmax(n1, n2)
            ratio = np.where(np.isnan(ratio), 1.0, ratio)
            part = np.sqrt(s.parts[i][:, None] * s.parts[j][None, :] * ratio)
            shared += np.where(same, part if i == j else -part, 0.0)
            people += np.where(same, np.fmin(n1, n2), 0.0)
    overlap = people / np.sqrt(total[:, None] * total[None, :])
    return shared, np.where(np.isnan(overlap), 0.0, np.minimum(overlap, 1.0))


def make_definite(matrix: np.ndarray, study: str) -> tuple[np.ndarray, Note | None]:
    """Shrink the covariances by one factor until the correlation matrix is positive definite; say so.

    Positive definite means a smallest eigenvalue of the correlation matrix of at least 1e-8 of its largest.

    Returns the matrix (the same object if nothing was needed) and a note or None.
    """
    scale = np.sqrt(np.diag(matrix))
    correlation = matrix / np.outer(scale, scale)
    values = np.linalg.eigvalsh(correlation)
    low, high = float(values[0]), float(values[-1])
    if low >= SMALLEST_EIGENVALUE * high:
        return matrix, None
    # eigenvalues of I + f O are 1 + f (eigenvalue - 1): solve 1 + f(low - 1) = e (1 + f(high - 1)) for f
    e = SMALLEST_EIGENVALUE * (1 + 1e-6)
    factor = (1 - e) / ((1 - low) + e * (high - 1))
    repaired = matrix * factor
    np.fill_diagonal(repaired, np.diag(matrix))
    return repaired, Note(
        "covariance-not-definite",
        "warning",
        f"The assumed covariances of the {len(matrix)} effects of {study} contradict each other: the smallest "
        f"eigenvalue of their correlation matrix is {low:.3g}. All of them were multiplied by {factor:.3f}.",
        "Lower rho, or look for an effect that is entered twice.",
        study=study,
    )


def _assumption_note(rho: float, n_blocks: int) -> Note:
    return Note(
        "covariance-assumed",
        "info",
        f"Effects of the same people in {n_blocks} {'trial' if n_blocks == 1 else 'trials'}: a shared arm counts by "
        "its share of the variance; two times of one outcome correlate by .5, as under compound symmetry with a "
        f"shared baseline; different outcomes correlate by rho = {rho:g}.",
        "The sensitivity analysis over rho shows how much this matters.",
    )
