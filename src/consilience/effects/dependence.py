"""The sampling covariance matrix V of a review: known structure where there is one, constant correlation elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..base.errors import InputError
from ..records import Block, Dependence, Effects, Note
from .covariance_people import Linked, Values, linked, same_times

OWN_NOTES = ("covariance-assumed", "covariance-not-definite", "correlation-impossible")
SMALLEST_EIGENVALUE = 1e-8  # of the correlation matrix, relative to its largest
NOTHING = Dependence()
LARGEST_R = 0.99  # a change has some variance
TIME_CORRELATION = 0.5  # of two changes from one baseline under compound symmetry, whatever r is


@dataclass(frozen=True, eq=False)
class _Study:
    """The effects of one study: (m,) arrays; parts are the arms' shares of v, `rest` what is left of it."""

    y: np.ndarray
    v: np.ndarray
    parts: tuple[np.ndarray, np.ndarray]  # treated, control
    sizes: tuple[np.ndarray, np.ndarray]
    arms: tuple[np.ndarray, np.ndarray]  # integer codes
    sign: np.ndarray  # -1 where the effect is turned round towards benefit
    values: Values

    @property
    def same_outcome(self) -> np.ndarray:
        """(m, m) True for two effects of one outcome."""
        return np.asarray(self.values.outcome[:, None] == self.values.outcome[None, :])


def fill_covariance(
    effects: Effects, rho: float, known: Dependence = NOTHING
) -> tuple[tuple[Block, ...], tuple[Note, ...]]:
    """Sampling covariance of all pairs of effects within a study.

    - same outcome and arms, two times: changes from a shared baseline correlate by .5 (compound symmetry), the SD's
      part by g1 g2;
    - same outcome and time, one arm shared: that arm's share of both variances;
    - two outcomes of the same arms and time: rho sqrt(v1 v2);
    - combinations multiply: another outcome against a shared control has rho times the shared part;
    - no arm in common: 0;
    - what `known` declares goes before all of these: correlations of outcomes and over weeks become those of the changes
      (or final values) by `covariance_people.linked`, with the r of each effect.
    A block that is not positive definite has its covariances shrunk by the smallest factor that makes it so.

    Parameters
    ----------
    effects : result of `trial_effects` or `trial_ratios` (needs their columns).
    rho : correlation of effects of the same people whose dependence is unknown, 0 <= rho < 1.
    known : declared correlations between values of the same people.

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
    for study, rows in rows_by_study(effects.study):
        if len(rows) < 2:
            continue
        one = _study(effects, codes, rows)
        found = linked(known, one.values) if known.declared else None
        if found is not None and found.impossible.any():
            notes.append(_impossible_note(found, effects, rows))
        matrix, note = make_definite(_matrix(one, rho, known, found), study)
        if note is not None:
            notes.append(replace(note, rows=tuple(rows.tolist())))
        if np.any(matrix[~np.eye(len(rows), dtype=bool)] != 0):
            blocks.append(Block(rows, matrix))
    if blocks:
        notes.append(_assumption_note(rho, len(blocks), known))
    return tuple(blocks), tuple(notes)


def with_covariance(effects: Effects, rho: float, known: Dependence = NOTHING) -> Effects:
    """The same effects with `fill_covariance` at this rho; notes of an earlier filling are replaced."""
    blocks, notes = fill_covariance(effects, rho, known)
    kept = tuple(n for n in effects.notes if n.code not in OWN_NOTES)
    return replace(effects, blocks=blocks, notes=kept + notes)


def rows_by_study(study: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """(label, rows ascending) of each study in order of first appearance."""
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(study.tolist()):
        groups.setdefault(name, []).append(row)
    return [(name, np.array(rows, dtype=np.intp)) for name, rows in groups.items()]


def _codes(effects: Effects) -> dict[str, np.ndarray]:
    """Integers for names, so that pairs compare fast."""
    arms = np.concatenate([effects["treatment"], effects["control"]])
    _, arm_codes = np.unique(arms.astype(str), return_inverse=True)
    _, time = np.unique(effects["time"].astype(str), return_inverse=True)
    return {"treatment": arm_codes[: effects.k], "control": arm_codes[effects.k :], "time": time}


def _study(effects: Effects, codes: dict[str, np.ndarray], rows: np.ndarray) -> _Study:
    change = effects["basis"][rows] == "change"
    r = effects["r"][rows]
    if effects.measure == "ppc-g":  # the parts of a log ratio are not in units of the SD
        r = np.where(np.isnan(r), _implied_r(effects, rows), r)
    r = np.minimum(r, LARGEST_R)
    return _Study(
        effects.y[rows],
        effects.v[rows],
        (effects["part_treatment"][rows], effects["part_control"][rows]),
        (effects["n_treatment"][rows], effects["n_control"][rows]),
        (codes["treatment"][rows], codes["control"][rows]),
        np.where((effects.measure == "ppc-g") & (effects["better"][rows] == "lower"), -1.0, 1.0),
        Values(effects["outcome"][rows], effects["weeks"][rows], codes["time"][rows], change, r),
    )


def _implied_r(effects: Effects, rows: np.ndarray) -> np.ndarray:
    """The r with which 2(1 - r)(1/nT + 1/nC) is the arms' share of v: where a printed SD of change made r unnecessary."""
    parts = effects["part_treatment"][rows] + effects["part_control"][rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        a = 1 / effects["n_treatment"][rows] + 1 / effects["n_control"][rows]
        return np.asarray(np.maximum(1 - parts / (2 * a), -1.0))


def _pairs(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x[:, None], x[None, :]


def _matrix(s: _Study, rho: float, known: Dependence, found: Linked | None) -> np.ndarray:
    """(m, m) covariance of one study's effects; `found` : correlations of their contrasts, None if nothing is declared."""
    time = _time_correlation(s, rho, known)
    level = np.where(s.same_outcome, time, np.nan)
    spread = np.where(s.same_outcome, 1.0, np.nan)
    if found is not None:
        level = np.where(np.isnan(found.level), level, np.outer(s.sign, s.sign) * found.level)
        spread = np.where(np.isnan(found.spread), spread, found.spread)
    shared, overlap = _shared_parts(s)
    v = np.sqrt(s.v[:, None] * s.v[None, :])
    parts = s.parts[0] + s.parts[1]
    rest = np.sqrt(np.maximum(s.v - parts, 0.0)) * np.sign(s.y)
    structure = level * shared + spread * overlap * rest[:, None] * rest[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = shared / np.sqrt(parts[:, None] * parts[None, :])
    working = rho * time * np.where(np.isfinite(share), share, 0.0) * v
    matrix: np.ndarray = np.where(np.isnan(structure), working, structure)
    matrix = (matrix + matrix.T) / 2  # the two halves may differ in the last digit
    np.fill_diagonal(matrix, s.v)
    return matrix


def _time_correlation(s: _Study, rho: float, known: Dependence) -> np.ndarray:
    """Of two effects of one outcome: 1 at the same time; as declared; else .5 between two changes from one baseline and rho
    where one of them is not a change."""
    change = s.values.change
    both = change[:, None] & change[None, :]
    assumed = np.where(same_times(s.values), 1.0, np.where(both, TIME_CORRELATION, rho))
    if not known.declared:
        return assumed
    one = replace(s.values, outcome=np.full(len(change), "", dtype=object))
    level = linked(known, one).level
    return np.where(np.isnan(level), assumed, level)


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


def _impossible_note(found: Linked, effects: Effects, rows: np.ndarray) -> Note:
    i, j = np.argwhere(found.impossible)[0]
    names = [f"{effects['outcome'][rows[p]]} at week {effects['weeks'][rows[p]]:g}" for p in (i, j)]
    study = str(effects.study[rows[0]])
    return Note(
        "correlation-impossible",
        "warning",
        f"{study}: with the declared correlations and the pre-post correlations of its effects, {names[0]} and {names[1]} would "
        "correlate beyond 1; 1 is used.",
        "Declare correlations in [dependence] that go together with the pre-post correlations.",
        study=study,
        rows=tuple(rows.tolist()),
    )


def _assumption_note(rho: float, n_blocks: int, known: Dependence) -> Note:
    across = (
        "two times of one outcome correlate as declared"
        if known.autocorrelation is not None or known.across_times is not None
        else "two times of one outcome correlate by .5, as under compound symmetry with a shared baseline"
    )
    outcomes = f"different outcomes correlate by rho = {rho:g}"
    if known.between is not None or known.pairs:
        outcomes = f"different outcomes correlate as declared, pairs that are not by rho = {rho:g}"
    return Note(
        "covariance-assumed",
        "info",
        f"Effects of the same people in {n_blocks} {'trial' if n_blocks == 1 else 'trials'}: a shared arm counts by "
        f"its share of the variance; {across}; {outcomes}.",
        "The sensitivity analysis over rho shows how much this matters.",
    )
