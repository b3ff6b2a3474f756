"""Coefficients with the covariance and the reference distribution that a spec asks for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..base.distributions import chi2_sf, f_sf, t_isf, t_two_sided
from ..base.linalg import combine_codes
from ..base.options import choose
from ..likelihood.terms import RandomTerm
from ..records import Coefficients, Design, Note, Spec, TestResult
from .robust import CORRECTIONS, Correction, Robust, named, robust_covariance, robust_notes, satterthwaite
from .wald import robust_wald
from .working import Working

TESTS = ("z", "t", "t-containment", "knapp-hartung", "knapp-hartung-floor", *CORRECTIONS)


@dataclass(frozen=True, eq=False)
class Reference:
    """Covariance (p, p), degrees of freedom (p,), name of the method, notes, robust parts if any."""

    covariance: np.ndarray
    df: np.ndarray
    method: str
    notes: tuple[Note, ...] = ()
    robust: Robust | None = None


def coefficient_table(
    working: Working, design: Design, spec: Spec
) -> tuple[Coefficients, TestResult | None, tuple[Note, ...]]:
    """Coefficients, the omnibus test of the moderators (of the mean if there are none), and notes.

    Raises
    ------
    OptionError for an unknown test.
    """
    choose(spec.test, TESTS, what="test")
    reference = _reference(working, design, spec)
    se = np.sqrt(np.maximum(np.diag(reference.covariance), 0.0))
    with np.errstate(all="ignore"):
        statistic = working.beta / se
        half = t_isf((1 - spec.level) / 2, reference.df) * se
        p_value = t_two_sided(statistic, reference.df)
    table = Coefficients(
        names=design.names,
        estimate=working.beta,
        se=se,
        statistic=statistic,
        df=reference.df,
        p_value=p_value,
        ci_low=working.beta - half,
        ci_high=working.beta + half,
        covariance=reference.covariance,
        level=spec.level,
        method=reference.method,
    )
    return (
        table,
        _omnibus(working, design, reference),
        (*reference.notes, *_without_test(table, reference, design)),
    )


def _without_test(table: Coefficients, reference: Reference, design: Design) -> tuple[Note, ...]:
    """Why a coefficient has no test where nothing else says it."""
    if table.se.all() and not np.isnan(table.df).any():
        return ()
    notes = []
    none = np.isnan(table.df) & (
        np.isfinite(table.se) | (reference.robust is None)
    )  # robust ones have their own note
    if none.any():
        message = f"No degrees of freedom are left for {named(design.names, none)}: no test and no interval by {reference.method}."
        notes.append(Note("df-none", "warning", message, "Use a normal reference, or fewer moderators."))
    exact = (table.se == 0) & (reference.robust is None)
    if exact.any():
        message = f"The standard error of {named(design.names, exact)} is zero: the effects that tell it are fitted exactly."
        notes.append(Note("se-zero", "warning", message, "A test needs effects that vary about the model."))
    return tuple(notes)


def _reference(working: Working, design: Design, spec: Spec) -> Reference:
    k, p = working.basis.shape
    if spec.test in CORRECTIONS:
        return _robust(working, design, spec.test)
    if spec.test == "z":
        return Reference(working.covariance, np.full(p, np.inf), "normal")
    left = float(k - p) if k > p else np.nan
    if spec.test == "t-containment":
        df = containment(working.setup.terms, design.matrix)
        return Reference(working.covariance, df, "t with containment degrees of freedom")
    df = np.full(p, left)
    if spec.test == "t":
        return Reference(working.covariance, df, "t with k - p degrees of freedom")
    ratio = working.rss / left
    if spec.test == "knapp-hartung-floor":
        return Reference(working.covariance * max(ratio, 1.0), df, "Knapp-Hartung with the floor at one")
    return Reference(working.covariance * ratio, df, "Knapp-Hartung")


def containment(terms: tuple[RandomTerm, ...], x: np.ndarray) -> np.ndarray:
    """(p,) degrees of freedom: of the random terms within whose levels a moderator is constant, the fewest levels
    minus p; k - p if there is none. An inner | outer term has the levels of outer, and the pairs of inner and outer.

    Source: Schluchter & Elashoff (1990), J Stat Comput Simul 37:69.
    """
    k, p = x.shape
    df = np.full(p, float(k - p))
    for level in (level for whole in terms for part in whole.parts or (whole,) for level in _groupings(part)):
        first = np.zeros(int(np.max(level)) + 1, dtype=np.intp)
        first[level[::-1]] = np.arange(k)[::-1]
        constant = np.all(x == x[first[level]], axis=0)
        df = np.where(constant, np.minimum(df, len(first) - p), df)
    return np.where(df > 0, df, np.nan)


def _groupings(term: RandomTerm) -> list[np.ndarray]:
    """Codes (k,) of the levels of a term: those of outer, and of inner within outer."""
    if term.outer is None:
        return [term.inner]
    return [term.outer] if not term.inner.any() else [term.outer, combine_codes(term.outer, term.inner)]


def _robust(working: Working, design: Design, kind: Correction) -> Reference:
    """Robust covariance and degrees of freedom; model-based where there is one cluster only."""
    p = working.basis.shape[1]
    if working.n_clusters == 1:
        note = Note(
            "one-cluster",
            "warning",
            "All effects come from one study, so a robust standard error does not exist; "
            "the model's own is given, with a normal reference distribution.",
        )
        return Reference(working.covariance, np.full(p, np.inf), "model-based, normal", (note,))
    robust = robust_covariance(working, kind)
    covariance, df = robust.covariance, satterthwaite(robust, np.eye(p))
    unknown = ~np.isfinite(df)
    covariance = np.where(unknown[:, None] | unknown[None, :], np.nan, covariance)
    notes = robust_notes(robust, design.names, df)
    method = f"{kind} with Satterthwaite degrees of freedom"
    return Reference(covariance, df, method, notes, robust)


def moderator_columns(x: np.ndarray) -> np.ndarray:
    """Indices of the columns that an omnibus test is about: all but the intercept, or all if there is no other."""
    constant = np.all(x == x[:1], axis=0)
    if constant.all() or not constant.any():
        return np.arange(x.shape[1])
    return np.flatnonzero(~constant)


def _omnibus(working: Working, design: Design, reference: Reference) -> TestResult | None:
    """Test that all moderators are zero: chi-squared, F, or HTZ, in step with the coefficients."""
    columns = moderator_columns(design.matrix)
    q = len(columns)
    if q == 0:
        return None
    rows = np.eye(design.matrix.shape[1])[columns]
    if reference.robust is not None:
        names = tuple(design.names[i] for i in columns)
        return _one_coefficient(working, reference, columns) or robust_wald(
            reference.robust, rows, working.beta[columns], labels=names
        )
    part = reference.covariance[columns][:, columns]
    if not np.isfinite(part).all():
        return None
    if q == 1:
        with np.errstate(divide="ignore", invalid="ignore"):
            statistic = float(np.square(working.beta[columns[0]]) / part[0, 0])
    else:
        try:
            statistic = float(working.beta[columns] @ np.linalg.solve(part, working.beta[columns]))
        except np.linalg.LinAlgError:
            return None
    df2 = float(np.min(reference.df[columns]))
    if np.isinf(df2):
        return TestResult("Wald chi-squared", statistic, q, np.inf, float(chi2_sf(statistic, q)))
    return TestResult("F", statistic / q, q, df2, float(f_sf(statistic / q, q, df2)))


def _one_coefficient(working: Working, reference: Reference, columns: np.ndarray) -> TestResult | None:
    """HTZ of a single coefficient is the square of its t, with the same degrees of freedom; None if there are more,
    or if it has no test."""
    variance, df = np.diag(reference.covariance)[columns], reference.df[columns]
    if len(columns) > 1 or not (variance[0] > 0 and np.isfinite(df[0])):
        return None
    f, df2 = float(working.beta[columns[0]] ** 2 / variance[0]), float(df[0])
    return TestResult("HTZ", f, 1, df2, float(f_sf(f, 1, df2)))
