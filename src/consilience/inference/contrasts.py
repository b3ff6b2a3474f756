"""Linear combinations of coefficients by name: estimates with tests, and what `wald_test` takes as a hypothesis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..base.distributions import t_isf, t_two_sided
from ..base.errors import InputError
from ..base.linalg import numbers, one_blas_thread, row_norms
from ..base.options import choose
from ..records import Coefficients, Fit, Note
from .knapp_hartung import gap_value
from .robust import CORRECTIONS, Correction, robust_covariance, robust_notes, satterthwaite
from .working import working_of

Combination = str | Mapping[str, float]
Hypothesis = np.ndarray | Combination | Sequence[Combination]
PARTS = ("mean", "scale")


def contrasts(
    fit: Fit, combinations: Hypothesis, *, value: np.ndarray | None = None, part: str = "mean"
) -> Coefficients:
    """Linear combinations C b of the coefficients, each with standard error, test and interval.

    With a cluster-robust test each combination has its own Satterthwaite degrees of freedom.

    Parameters
    ----------
    combinations : (q, p) matrix C; or by name: a coefficient or a term of the formula (all its coefficients), a
        mapping of names to factors such as ``{"class[cbt]": 1, "class[drug]": -1}``, or a list of these.
    value : (q,) what the tests compare with; None = 0. The estimates are of C b itself.
    part : ``"mean"``, or ``"scale"`` for the coefficients of the variance in a location-scale model.

    Raises
    ------
    InputError ``constraints`` for a wrong shape, OptionError for an unknown name.

    Source: Knapp & Hartung (2003), Stat Med 22:2693 (t); Bell & McCaffrey (2002), Survey Methodology 28:169 (robust).
    """
    table = coefficients_of_part(fit, part)
    rows, names = constraint_rows(fit, combinations, part=part)
    estimate = rows @ table.estimate
    if table.root is not None:
        se = row_norms(rows @ table.root)
    else:
        se = np.sqrt(np.maximum(np.einsum("qp,pr,qr->q", rows, table.covariance, rows), 0.0))
    df, notes = _degrees(fit, table, rows, part=part, names=names)
    # what one cluster alone carries has residuals of zero there, hence no robust variance but rounding
    se = np.where(np.isnan(df) & bool(notes), np.nan, se)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (estimate - gap_value(value, len(rows))) / se
        half = t_isf((1 - table.level) / 2, df) * se
    return Coefficients(
        names=names,
        estimate=estimate,
        se=se,
        statistic=statistic,
        df=df,
        p_value=t_two_sided(statistic, df),
        ci_low=estimate - half,
        ci_high=estimate + half,
        covariance=rows @ table.covariance @ rows.T,
        level=table.level,
        method=table.method,
        notes=notes,
    )


def coefficients_of_part(fit: Fit, part: str) -> Coefficients:
    """The coefficients of the mean, or those of the variance."""
    choose(part, PARTS, what="part of a model")
    if part == "mean":
        return fit.coefficients
    if fit.scale is None:
        raise InputError("This model has no coefficients of the variance.", code="no-scale")
    return fit.scale


def constraint_rows(fit: Fit, given: Hypothesis, *, part: str = "mean") -> tuple[np.ndarray, tuple[str, ...]]:
    """(q, p) rows and q labels of combinations as `contrasts` takes them."""
    names = coefficients_of_part(fit, part).names
    if isinstance(given, str | Mapping):
        given = [given]
    words = not isinstance(given, np.ndarray) and len(given) > 0 and isinstance(given[0], str | Mapping)
    if words:
        design = fit.design if part == "mean" else fit.spec.scale and fit.spec.scale.design
        terms = design.terms if design else {}
        found = [row for one in given for row in _named_rows(one, names, terms)]
        return np.array([row for row, _ in found]), tuple(label for _, label in found)
    rows = np.atleast_2d(numbers(given, "constraints"))
    if rows.ndim != 2 or rows.shape[1] != len(names) or not np.isfinite(rows).all():
        raise InputError(
            f"The constraints have shape {rows.shape}; needed are finite rows, one column for each of the "
            f"{len(names)} coefficients: {', '.join(names)}.",
            code="constraints",
        )
    return rows, tuple(_label(row, names) for row in rows)


def independent_rows(rows: np.ndarray) -> None:
    """Raise InputError ``constraints`` unless the rows (q, p) are linearly independent."""
    if np.linalg.matrix_rank(rows) < len(rows):
        raise InputError(
            f"The {len(rows)} constraints are not linearly independent: one of them follows from the others.",
            code="constraints",
            advice="Leave it out.",
        )


def _named_rows(
    one: Combination, names: tuple[str, ...], terms: Mapping[str, tuple[int, ...]]
) -> list[tuple[np.ndarray, str]]:
    eye = np.eye(len(names))
    if isinstance(one, str):
        if one not in names and one in terms:
            return [(eye[j], names[j]) for j in terms[one]]
        return [(eye[names.index(choose(one, dict.fromkeys((*names, *terms)), what="coefficient"))], one)]
    row = np.zeros(len(names))
    for name, factor in one.items():
        row[names.index(choose(name, names, what="coefficient"))] = float(
            numbers(factor, f'factor of "{name}"')
        )
    if not row.any() or not np.isfinite(row).all():
        raise InputError("A combination needs finite factors, not all zero.", code="constraints")
    return [(row, _label(row, names))]


def _label(row: np.ndarray, names: tuple[str, ...]) -> str:
    """``a - 0.5 b`` of a row."""
    parts = []
    for j in np.flatnonzero(row):
        size = "" if abs(row[j]) == 1 else f"{abs(row[j]):g} "
        sign = "-" if row[j] < 0 else "+"
        parts.append(f"{sign} {size}{names[j]}")
    text = " ".join(parts)
    return text.removeprefix("+ ")


def _degrees(
    fit: Fit, table: Coefficients, rows: np.ndarray, *, part: str, names: tuple[str, ...]
) -> tuple[np.ndarray, tuple[Note, ...]]:
    """(q,) of each row: its own in robust tests, with notes by its name; else the fewest of the coefficients in it."""
    if part == "mean" and is_robust(fit):
        with one_blas_thread():
            robust = robust_covariance(working_of(fit), correction_of(fit))
            df = satterthwaite(robust, rows)
            return df, robust_notes(robust, names, df, rows=rows)
    return np.array([fewest_df(table, row) for row in rows]), ()


def is_robust(fit: Fit) -> bool:
    """Were the coefficients tested with a cluster-robust covariance?"""
    return fit.spec.test in CORRECTIONS and not np.isinf(fit.coefficients.df).all()


def correction_of(fit: Fit) -> Correction:
    """The small-sample correction of a fit's robust test; CR2 if it has none."""
    test = fit.spec.test
    return test if test in CORRECTIONS else "CR2"


def fewest_df(table: Coefficients, rows: np.ndarray) -> float:
    """Degrees of freedom of what the rows (q, p) or (p,) take part in; NaN if one of them has none."""
    used = (np.atleast_2d(rows) != 0).any(axis=0)
    return float(np.min(table.df[used])) if used.any() else float("nan")
