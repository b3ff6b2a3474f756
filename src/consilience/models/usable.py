"""What every model needs of its input, checked once where a fit begins."""

from __future__ import annotations

import numpy as np

from ..base.errors import InputError
from ..base.options import confidence_level
from ..records import Design, Effects, Intercept, Known, Note, Spec, Term

WIDEST = 1e100  # ratio of two variances, or of a squared difference of effects to a variance


def refuse_other_records(effects: object, design: object, spec: object) -> None:
    """Raise InputError ``record`` for arguments that are not the records which a fit takes (a design may be None)."""
    for value, kind in ((effects, Effects), (design, Design), (spec, Spec)):
        if not isinstance(value, kind) and not (kind is Design and value is None):
            advice = " Make one with design_matrix(formula, columns)." if kind is Design else ""
            raise InputError(
                f"A fit needs a record of type {kind.__name__}, not a {type(value).__name__}.{advice}",
                code="record",
            )
    terms = spec.terms if isinstance(spec, Spec) else ()
    if not isinstance(terms, tuple | list):
        raise InputError(
            f"Spec.terms is a {type(terms).__name__}; it must be a tuple of terms.", code="record"
        )
    for term in terms:
        if not isinstance(term, Term):
            raise InputError(
                f"{term!r} is no random term.",
                code="record",
                advice="Give Intercept, Inner, Slopes, Known or Shared.",
            )


def refuse_unusable(effects: Effects, design: Design, spec: Spec, *, exact: bool = False) -> None:
    """Raise InputError for what no model can take, naming rows as they are counted from 1.

    ``shape`` (lengths that differ, values that are no arrays), ``not-finite``, ``variance-not-positive``, ``out-of-range``, ``level``
    and ``given-variance``. With `exact` a sampling variance may be zero: random effects give the row its variance.
    """
    _refuse_shapes(effects, design)
    _refuse_values(effects, design, exact=exact)
    _refuse_choices(spec)


def _refuse_shapes(effects: Effects, design: Design) -> None:
    k = len(effects.y)
    for name in ("y", "v", "study"):
        values = getattr(effects, name)
        if not isinstance(values, np.ndarray) or values.shape != (k,):
            raise InputError(
                f"Effects.{name} is {_described(values)}; needed is an array of {k} values.",
                code="shape",
                advice="Give numpy.asarray(...) of one column.",
            )
        if name != "study" and values.dtype.kind not in "fiu":
            raise InputError(
                f"Effects.{name} is an array of {values.dtype}; needed are numbers.",
                code="not-numeric",
                advice="Give numpy.asarray(..., dtype=float).",
            )
    if not isinstance(design.matrix, np.ndarray) or design.matrix.dtype.kind not in "fiub":
        raise InputError("The matrix of a design must be an array of numbers.", code="not-numeric")
    shape, names = np.shape(design.matrix), len(design.names)
    if len(shape) != 2 or shape != (k, names):
        raise InputError(
            f"The design has shape {shape} and {names} names for {k} effects.",
            code="shape",
            advice="It needs one row for each effect and one name for each column.",
        )


def _refuse_values(effects: Effects, design: Design, *, exact: bool) -> None:
    least = float(effects.v.min()) if len(effects.v) else np.inf
    if (least >= 0 if exact else least > 0) and np.isfinite(
        effects.y.sum() + effects.v.sum() + design.matrix.sum()
    ):
        _refuse_range(effects)  # the sums are finite, so all is
        return
    for name, values in (("effect", effects.y), ("sampling variance", effects.v), ("", design.matrix)):
        finite = np.isfinite(values)
        if finite.all():
            continue
        rows = np.flatnonzero(~finite.reshape(len(values), -1).all(axis=1))
        raise InputError(
            f"The {name or _columns(design, finite)} is missing or infinite in row {listed(rows)}.",
            code="not-finite",
            advice="Leave such rows out before fitting: effects.take(rows), and the same rows of the design.",
        )
    good = effects.v >= 0 if exact else effects.v > 0
    if not good.all():
        rows = np.flatnonzero(~good)
        raise InputError(
            f"Row {listed(rows)} has sampling variance {effects.v[rows[0]]:g}; it must be positive.",
            code="variance-not-positive",
            advice="Leave the row out or correct it.",
        )

    _refuse_range(effects)


def _refuse_range(effects: Effects) -> None:
    """Doubles hold squares of what lies within `WIDEST` of each other; nothing measured is further apart."""
    positive = effects.v[effects.v > 0]
    if not len(positive):
        return
    low, high = float(positive.min()), float(positive.max())
    half = 0.5 * float(effects.y.max()) - 0.5 * float(effects.y.min())
    if low < np.finfo(float).tiny or high / low > WIDEST or half > WIDEST**0.5 * low**0.5:
        raise InputError(
            f"The sampling variances lie between {low:g} and {high:g}, the effects {2 * half:g} apart; "
            f"calculations need ratios below {WIDEST:g}.",
            code="out-of-range",
            advice="Look for a slip in the units.",
        )


def _refuse_choices(spec: Spec) -> None:
    confidence_level(spec.level)
    for term in spec.terms:
        given = term.variance if isinstance(term, Intercept | Known) else None
        if given is not None and not (np.isfinite(given) and given >= 0):
            raise InputError(
                f'The given variance of "{term.name}" is {given:g}; it must be finite and not negative.',
                code="given-variance",
                advice="Give None to estimate it.",
            )


def exact_rows_note(effects: Effects) -> tuple[Note, ...]:
    """What a reader must know where sampling variances are zero."""
    rows = np.flatnonzero(effects.v == 0)
    if not len(rows):
        return ()
    message = f"Row {listed(rows)} has a sampling variance of zero: it is taken as known exactly up to the random effects."
    return (
        Note("zero-variance", "warning", message, "Check it; leave the row out if the variance is unknown."),
    )


def _columns(design: Design, finite: np.ndarray) -> str:
    return "moderator " + ", ".join(f'"{design.names[j]}"' for j in np.flatnonzero(~finite.all(axis=0)))


def _described(values: object) -> str:
    if isinstance(values, np.ndarray):
        return f"an array of shape {values.shape}"
    return f"a {type(values).__name__}"


def listed(rows: np.ndarray, most: int = 5) -> str:
    """Rows (n,) counted from 1, the first few by number."""
    shown = ", ".join(str(row + 1) for row in rows[:most])
    return shown if len(rows) <= most else f"{shown} and {len(rows) - most} more"
