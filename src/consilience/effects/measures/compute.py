"""The one public entry: a table and the name of a measure to effects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from ...base.errors import InputError
from ...base.options import choose
from ...data.raw import cell_text, plain_cell
from ...records import Effects, Note
from ...records.note import Severity
from .inputs import column_array, column_mapping, measure_inputs, rows_text
from .measure import TO, Choices, Inputs, Measure, Options, Pair
from .registry import find_measure


def effect_size(
    measure: str, table: Any, *, study: str | np.ndarray | None = None, **choices: Unpack[Choices]
) -> Effects:
    """Effect sizes and sampling variances of every row of a table.

    Parameters
    ----------
    measure : short name, e.g. ``"SMD"``; `MEASURES` lists all with their columns and formulas.
    table : mapping of column name to values, or a pandas, polars or pyarrow table. Columns go by their plain name
        (``mean1``) or by metafor's (``m1i``); a single number stands for the whole column.
    study : labels, or the column that holds them; default the column ``study``, else 1, 2, 3 ...
    choices : ``vtype``, ``correct``, ``add``, ``to``, ``drop00``, ``flip``: see `Options`.

    Returns
    -------
    Effects, one per row in the same order; rows that yield none have NaN in y and v, and a note says why.

    Raises
    ------
    InputError : the table is none, a needed column is missing, columns differ in length.
    OptionError : unknown measure, or a choice that the measure does not have.
    """
    found = find_measure(measure)
    columns = column_mapping(table)
    options = resolve_options(found, choices)
    inputs, notes = measure_inputs(found, columns)
    y, v = evaluate(found, inputs, options)
    label = columns.get("study") if study is None else columns.get(study) if isinstance(study, str) else study
    if isinstance(study, str) and label is None:
        raise InputError(f'There is no column "{study}" with study labels.', code="missing-column")
    labels, unlabelled = _labels(label, len(y))
    return Effects(
        y=y,
        v=v,
        study=labels,
        measure=found.id,
        columns=inputs,
        notes=(*notes, *unlabelled, *_row_notes(found, inputs, options, (y, v))),
    )


def evaluate(measure: Measure, inputs: Inputs, options: Options) -> Pair:
    """(y, v) of cleaned inputs; both NaN where y is not defined, v NaN where it is not a variance."""
    with np.errstate(all="ignore"):  # rows that are not defined end as NaN and get a note
        y, v = measure.compute(inputs, options)
        if options.flip and measure.mirror:
            y = -y if measure.mirror == "sign" else 1 - y
        y = np.where(np.isfinite(y), y, np.nan)
        v = np.where(np.isfinite(v) & (v >= 0) & np.isfinite(y), v, np.nan)
    return y, v


def resolve_options(measure: Measure, choices: Mapping[str, Any]) -> Options:
    """The measure's defaults overridden by what the user chose; OptionError for what it does not have."""
    for name in choices:
        choose(name, Choices.__annotations__, what="option")
    vtype = choose(
        str(choices.get("vtype", measure.vtypes[0])), measure.vtypes, what=f"vtype of {measure.id}"
    )
    to = choose(str(choices.get("to", "only0")), TO, what="to")
    add = float(choices.get("add", 0.5 if "to" in choices else measure.add))
    if not (np.isfinite(add) and add >= 0):
        raise InputError(f"add must be a number of at least 0; it is {add:g}.", code="impossible-input")
    return Options(
        vtype=vtype,
        correct=bool(choices.get("correct", True)),
        add=add,
        to=to,
        drop00=bool(choices.get("drop00", False)),
        flip=bool(choices.get("flip", False)),
    )


def _labels(values: Any, n: int) -> tuple[np.ndarray, tuple[Note, ...]]:
    """(n,) study labels; a row without one is a study of its own, and a note says so."""
    if values is None:
        return np.array(list(map(str, range(1, n + 1))), dtype=object), ()
    cells = np.asarray(column_array(values), dtype=object)
    if cells.shape != (n,):
        raise InputError(f"There are {cells.size} study labels for {n} rows.", code="columns-unequal")
    labels = [cell if type(cell) is str else cell_text(plain_cell(cell)) for cell in cells.tolist()]
    missing = np.array([i for i, label in enumerate(labels) if not label], dtype=np.intp)
    for row in missing:
        labels[row] = f"row {row + 1}"
    found = np.array(labels, dtype=object)
    if not len(missing):
        return found, ()
    message = f"There is no study label in {rows_text(missing)}: each counts as a study of its own."
    return found, (Note("missing-label", "warning", message, rows=tuple(missing.tolist())),)


def _row_notes(measure: Measure, inputs: Inputs, options: Options, pair: Pair) -> tuple[Note, ...]:
    y, v = pair
    without = np.isnan(y)
    needed = np.zeros(y.shape, dtype=bool)
    for name in measure.required:
        needed |= np.isnan(inputs[name])
    others = [inputs[column.name] for column in measure.columns if not column.required]
    if others:  # columns of which one at least must be there
        needed |= np.all(np.isnan(others), axis=0)
    undefined = f"{measure.name} is not defined for the numbers of"
    advice = f"Formula: {measure.formula}."
    if measure.add and options.to == "none":
        advice += " Tables with a zero need a continuity correction (to, add)."
    said: tuple[tuple[str, Severity, np.ndarray, str, str], ...] = (
        ("missing-input", "warning", without & needed, "A needed number is missing in", ""),
        ("not-defined", "warning", without & ~needed, undefined, advice),
        ("variance-not-defined", "warning", ~without & np.isnan(v), "The variance is not defined in", advice),
    )
    notes = []
    for code, severity, where, message, what_to_do in said:
        rows = np.flatnonzero(where)
        if len(rows):
            text = f"{message[0].upper()}{message[1:]} {rows_text(rows)}."
            notes.append(Note(code, severity, text, advice=what_to_do, rows=tuple(rows.tolist())))
    return tuple(notes)
