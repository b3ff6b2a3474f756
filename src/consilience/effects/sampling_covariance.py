"""Sampling covariance between the effects of one study, for effects of any measure that compares groups or correlates variables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..base.errors import InputError
from ..records import Block, Dependence, Effects, Note
from .covariance_correlations import CORRELATIONS, correlations_linked
from .covariance_loads import LOADS, Loads, risk_limits
from .covariance_people import Linked, Values, linked, shared_people
from .dependence import NOTHING, make_definite, rows_by_study, with_covariance

TRIALS = ("ppc-g", "lnrr")  # effects made from the tables of a review carry their own structure


@dataclass(frozen=True, eq=False)
class Links:
    """What the effects of a study have in common. Labels and numbers (k,), or None.

    group1, group2 : the compared groups, named within the study; an equal name is the same people. None = all effects of the
        study compare the same two groups. For correlations, group1 is the sample.
    outcome : what was measured; time : when, in weeks. None = always the same.
    variables : names of the two variables of each correlation.
    known : correlations between the values (events, counts) of the same people, see `Dependence`.
    overlap : (group, group, share) : groups of different names that share people, as a share of the smaller one.
    rho : correlation of two effects of the same people where nothing else is known; None = that is an error.
    """

    group1: Any = None
    group2: Any = None
    outcome: Any = None
    time: Any = None
    variables: tuple[Any, Any] | None = None
    known: Dependence = NOTHING
    overlap: tuple[tuple[str, str, float], ...] = ()
    rho: float | None = None


def fill_blocks(effects: Effects, links: Links) -> Effects:
    """The effects with the sampling covariance of all pairs within a study.

    Cov = sum over groups that two effects share of n12/sqrt(n1 n2) (level level' R + spread spread' R^2): see
    `covariance_loads` for the loads and `covariance_people` for R, the correlation of what was measured (1 for the same outcome
    at the same time, as with a shared control; c for two outcomes; phi^weeks or a constant for two times; products for
    combinations). Correlations of one sample: `covariance_correlations`. What this gives is used as a correlation, so that the
    variances of the effects stay what they are, whatever estimator they come from.

    Parameters
    ----------
    effects : from `effect_size` (with study labels), or from `trial_effects` and `trial_ratios`, whose own columns then say
        what is shared (only `known` and `rho` of the links are used). Effects of no named measure (y and v alone) correlate
        by `rho` within a study; `working_covariance` has more patterns for them.
    links : what is shared and known.

    Returns
    -------
    Effects with `blocks` filled, one per study with dependent effects; rows without a variance stand alone. Notes say what was
    assumed, which declared correlation is impossible and was reduced, and which block had to be made positive definite.

    Raises
    ------
    InputError : ``measure-without-covariance``, ``correlation-needed``, ``correlation-out-of-range``, ``columns-unequal``.
    """
    check_links(links)
    if effects.measure in TRIALS:
        if links.rho is None:
            raise _needed(f"effects of measure {effects.measure}")
        return with_covariance(effects, links.rho, links.known)
    known = np.isfinite(effects.y) & np.isfinite(effects.v) & (effects.v > 0)
    maker: _Correlations | _Constant | _Groups
    if effects.measure in CORRELATIONS:
        maker = _Correlations(effects, links)
    else:
        maker = _Constant(links) if effects.measure == "generic" else _Groups(effects, links)
    blocks: list[Block] = []
    notes: list[Note] = []
    for study, every in rows_by_study(effects.study):
        rows = every[known[every]]
        if len(rows) < 2:
            continue
        correlation = maker.correlation(rows, study)
        root = np.sqrt(effects.v[rows])
        matrix = (correlation + correlation.T) / 2 * np.outer(root, root)
        np.fill_diagonal(matrix, effects.v[rows])
        matrix, note = make_definite(matrix, study)
        notes += [replace(note, rows=tuple(rows.tolist()))] if note is not None else []
        if np.any(matrix[~np.eye(len(rows), dtype=bool)] != 0):
            blocks.append(Block(rows, matrix))
    return replace(effects, blocks=tuple(blocks), notes=(*effects.notes, *notes, *maker.notes))


def check_links(links: Links) -> None:
    """InputError for a correlation or share that cannot be."""
    known = links.known
    named = [("rho", links.rho), ("between", known.between), ("cross_time", known.cross_time)]
    named += [("across_times", known.across_times), *((f"pair {a}, {b}", r) for a, b, r in known.pairs)]
    for name, value in named:
        if value is not None and not -1 <= value <= 1:
            raise _outside(name, value, "from -1 to 1")
    shares = [(f"overlap of {a} and {b}", share) for a, b, share in links.overlap]
    for name, value in (("autocorrelation", known.autocorrelation), *shares):
        if value is not None and not 0 <= value <= 1:
            raise _outside(name, value, "from 0 to 1")


def _outside(name: str, value: float, allowed: str) -> InputError:
    return InputError(f"{name} is {value:g}; it must be {allowed}.", code="correlation-out-of-range")


def _needed(what: str) -> InputError:
    return InputError(
        f"No correlation is given for {what}.",
        code="correlation-needed",
        advice="Give it in `known` (between, across_times, autocorrelation ...), or a working correlation `rho`.",
    )


def _labels(values: Any, k: int, name: str, default: str) -> np.ndarray:
    if values is None:
        return np.full(k, default, dtype=object)
    labels = np.asarray(values.to_numpy() if hasattr(values, "to_numpy") else values, dtype=object)
    if labels.shape != (k,):
        raise InputError(f"{name} has {labels.size} entries for {k} effects.", code="columns-unequal")
    return np.array([str(label) for label in labels], dtype=object)


class _Constant:
    """Effects of which nothing is known but y and v."""

    def __init__(self, links: Links) -> None:
        named = (links.group1, links.group2, links.outcome, links.time, links.variables)
        if any(x is not None for x in named) or links.known is not NOTHING or links.overlap:
            raise InputError(
                "Effects of no named measure have one correlation within a study, links.rho; other links need a measure.",
                code="measure-without-covariance",
                advice="Use `working_covariance` for groups, kinds and times.",
            )
        if links.rho is None:
            raise _needed("effects of no named measure")
        self.rho, self.studies = links.rho, 0

    def correlation(self, rows: np.ndarray, study: str) -> np.ndarray:
        """(m, m) correlation of the effects in `rows` of one study."""
        self.studies += 1
        return np.asarray(self.rho + (1.0 - self.rho) * np.eye(len(rows)))

    @property
    def notes(self) -> tuple[Note, ...]:
        """What rests on rho."""
        return (_assumed(self.rho, self.studies),) if self.studies else ()


def _assumed(rho: float, studies: int) -> Note:
    where = f"{studies} {'study' if studies == 1 else 'studies'}"
    text = f"The working correlation rho = {rho:g} stands for what is not known in {where}."
    return Note("covariance-assumed", "info", text)


class _Groups:
    """Effects that compare two groups."""

    def __init__(self, effects: Effects, links: Links) -> None:
        if effects.measure not in LOADS:
            raise InputError(
                f"There is no covariance formula for measure {effects.measure}.",
                code="measure-without-covariance",
                advice=f"There is one for {', '.join(LOADS)} and {', '.join(CORRELATIONS)}; else use working_covariance.",
            )
        k = effects.k
        with np.errstate(all="ignore"):  # rows without an effect stay NaN and are not used
            self.loads: Loads = LOADS[effects.measure](effects.columns, effects.y)
        self.measure, self.links = effects.measure, links
        self.groups = (_labels(links.group1, k, "group1", "1"), _labels(links.group2, k, "group2", "2"))
        self.outcome = _labels(links.outcome, k, "outcome", "")
        self.time = _labels(links.time, k, "time", "0")
        self.weeks = np.zeros(k) if links.time is None else np.asarray(links.time, dtype=float)
        self.reduced: set[str] = set()
        self.working: set[str] = set()

    def correlation(self, rows: np.ndarray, study: str) -> np.ndarray:
        """(m, m) correlation of the effects in `rows` of one study."""
        m = len(rows)
        nothing = np.zeros(m, dtype=bool), np.full(m, np.nan)
        values = Values(self.outcome[rows], self.weeks[rows], self.time[rows], *nothing)
        found = linked(self.links.known, values)
        total, shared = np.zeros((m, m)), np.zeros((m, m))
        people, level, spread = (x[:, rows] for x in (self.loads.people, self.loads.level, self.loads.spread))
        for g in (0, 1):
            for h in (0, 1):
                common = self._common((g, h), (rows, people))
                r = self._possible(found, (g, h), rows, common > 0, study=study)
                levels, spreads = np.outer(level[g], level[h]), np.outer(spread[g], spread[h])
                total += common * np.where(common > 0, levels * r + spreads * r**2, 0.0)
                shared += common * (levels + spreads)
        scale = np.sqrt(np.outer(self.loads.variance[rows], self.loads.variance[rows]))
        unknown = np.isnan(total)
        if unknown.any():
            if self.links.rho is None:
                i, j = np.argwhere(unknown)[0]
                raise _needed(f"{self._name(rows[i])} and {self._name(rows[j])} of {study}")
            self.working.add(study)
            total = np.where(unknown, self.links.rho * shared, total)
        return np.asarray(total / scale)

    def _name(self, row: int) -> str:
        return " at ".join(
            part for part in (str(self.outcome[row]) or "the outcome", f"time {self.time[row]}")
        )

    def _common(self, pair: tuple[int, int], where: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        """(m, m) share of people that group g of one effect and group h of another have in common."""
        (g, h), (rows, people) = pair, where
        first, second = self.groups[g][rows], self.groups[h][rows]
        common = shared_people((first, second), (people[g], people[h]))
        for a, b, share in self.links.overlap:
            for one, other in ((a, b), (b, a)):
                apart = (first == one)[:, None] & (second == other)[None, :]
                same = np.full(len(rows), "", dtype=object)
                common = np.where(apart, share * shared_people((same, same), (people[g], people[h])), common)
        return common

    def _possible(
        self, found: Linked, pair: tuple[int, int], rows: np.ndarray, used: np.ndarray, *, study: str
    ) -> np.ndarray:
        """R within what two events with these risks allow."""
        if self.loads.risk is None:
            return found.level
        low, high = risk_limits(self.loads.risk[pair[0], rows], self.loads.risk[pair[1], rows])
        r = np.clip(found.level, low, high)
        if np.any(used & (np.abs(r - found.level) > 1e-9)):
            self.reduced.add(study)
        return np.asarray(r)

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was reduced and what rests on rho."""
        out = []
        if self.reduced:
            text = (
                "Two events with the reported risks cannot correlate as strongly as declared: the highest possible "
                f"correlation is used in {', '.join(sorted(self.reduced))}."
            )
            out.append(Note("correlation-impossible", "warning", text))
        if self.working and self.links.rho is not None:
            out.append(_assumed(self.links.rho, len(self.working)))
        return tuple(out)


class _Correlations:
    """Effects that are correlations of the variables of a sample."""

    def __init__(self, effects: Effects, links: Links) -> None:
        if links.variables is None:
            raise InputError(
                "Correlations need the names of their two variables.",
                code="correlation-needed",
                advice="Give them in links.variables.",
            )
        self.effects, self.links = effects, links
        self.sample = _labels(links.group1, effects.k, "group1", "1")
        names = [_labels(v, effects.k, "variables", "") for v in links.variables]
        self.variables = (names[0], names[1])
        self.working: set[str] = set()

    def correlation(self, rows: np.ndarray, study: str) -> np.ndarray:
        """(m, m) correlation of the correlations in `rows` of one study."""
        y, n = self.effects.y[rows], self.effects["n"][rows]
        variables = (self.variables[0][rows], self.variables[1][rows])
        found = correlations_linked(
            y, n, self.sample[rows], variables, fisher_z=self.effects.measure == "ZCOR"
        )
        unknown = np.isnan(found)
        if unknown.any():
            if self.links.rho is None:
                i, j = np.argwhere(unknown)[0]
                pairs = [f"{variables[0][p]} with {variables[1][p]}" for p in (i, j)]
                raise _needed(f"the variables between {pairs[0]} and {pairs[1]} in {study}")
            self.working.add(study)
            found = np.where(unknown, self.links.rho, found)
        return found

    @property
    def notes(self) -> tuple[Note, ...]:
        """What rests on rho."""
        if not self.working:
            return ()
        text = f"Correlations that are not reported: rho = {self.links.rho:g} in {', '.join(sorted(self.working))}."
        return (Note("covariance-assumed", "info", text),)
