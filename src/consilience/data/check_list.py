"""Every finding that reading and checking a review can make: the registry of codes."""

from __future__ import annotations

from dataclasses import dataclass

from ..records.note import Severity


@dataclass(frozen=True)
class Check:
    """One kind of finding: how serious it is, what it means and what to do about it."""

    code: str
    severity: Severity
    group: str
    meaning: str
    advice: str


_FILE, _PROTOCOL, _DECISION = "Reading the files", "The protocol", "Decisions"
_CELL, _IMPOSSIBLE, _IMPLAUSIBLE = "Cells", "Impossible", "Implausible"
_REFERENCE = "References between tables"
_CORRECT = "Compare with the source and correct the cell, or declare a decision in review.toml."
_LOOK = (
    "Compare with the source; correct it, or accept it by a decision in review.toml that says why it stands."
)

_ALL = (
    Check(
        "file-missing",
        "error",
        _FILE,
        "a file that the protocol names does not exist",
        "Correct the name under [files] or add the file.",
    ),
    Check(
        "file-unreadable",
        "error",
        _FILE,
        "a file cannot be read as a table",
        "Save it again as CSV (UTF-8), .xlsx or .parquet.",
    ),
    Check(
        "file-encoding",
        "warning",
        _FILE,
        "a text file is not UTF-8 and was read as Windows-1252",
        "Look at names with accents; save the file as UTF-8.",
    ),
    Check(
        "sheet-chosen",
        "info",
        _FILE,
        "a workbook has several sheets and one was chosen",
        'Name the sheet in the protocol, e.g. "book.xlsx#arms".',
    ),
    Check(
        "column-missing",
        "error",
        _FILE,
        "a required column is missing",
        "Add the column; COLUMNS.md explains every column.",
    ),
    Check(
        "column-duplicate",
        "error",
        _FILE,
        "two columns have the same name",
        "Rename or remove one of them; until then the first is used.",
    ),
    Check(
        "column-unnamed", "error", _FILE, "a column with values has no name", "Give it a name in the header."
    ),
    Check(
        "column-unknown",
        "warning",
        _FILE,
        "a column is not known but its name is close to one that is",
        "Rename it if it is the known column; otherwise it is kept as it is.",
    ),
    Check(
        "row-length",
        "error",
        _FILE,
        "a row has more cells than there are columns",
        "Look for a comma in an unquoted cell; put such a cell in double quotes.",
    ),
    Check("cell-missing", "error", _CELL, "a required cell is empty; the row is not used", "Fill the cell."),
    Check(
        "choice-unknown",
        "error",
        _CELL,
        "a cell holds a word that its column does not know",
        "Use one of the allowed words.",
    ),
    Check(
        "not-a-number",
        "error",
        _CELL,
        "a cell of a number column is not a number",
        "Write a plain number such as 12.5, or leave the cell empty.",
    ),
    Check(
        "decimal-mark",
        "error",
        _CELL,
        "a number is written with the wrong decimal mark",
        'Write 1.5; or declare decimal = "," under [files] if all files use it.',
    ),
    Check(
        "thousands-separator",
        "error",
        _CELL,
        "a number is written with a thousands separator",
        "Write it without, for example 1234.5.",
    ),
    Check("sd-negative", "error", _IMPOSSIBLE, "a standard deviation or error below zero", _CORRECT),
    Check("n-not-positive", "error", _IMPOSSIBLE, "a number of people that is zero or less", _CORRECT),
    Check("r-outside", "error", _IMPOSSIBLE, "a correlation outside -1 to 1", _CORRECT),
    Check("value-outside", "error", _IMPOSSIBLE, "a value outside what its column can hold", _CORRECT),
    Check("limits-reversed", "error", _IMPOSSIBLE, "a lower limit above its upper limit", _CORRECT),
    Check(
        "estimate-outside-limits",
        "error",
        _IMPOSSIBLE,
        "an estimate outside its own limits; the limits are not used",
        _CORRECT,
    ),
    Check("events-exceed-total", "error", _IMPOSSIBLE, "more events than people", _CORRECT),
    Check(
        "change-sd-impossible",
        "error",
        _IMPOSSIBLE,
        "an SD of change that no correlation between -1 and 1 can give",
        "Is it a standard error, or another arm's? Correct it or declare a decision.",
    ),
    Check(
        "duplicate-row",
        "error",
        _IMPOSSIBLE,
        "two rows with the same key",
        "Keep one row: exclude the other by a decision in review.toml that says why.",
    ),
    Check(
        "more-analysed-than-randomised",
        "error",
        _IMPOSSIBLE,
        "more people analysed than randomised",
        _CORRECT,
    ),
    Check(
        "concentration-negative",
        "error",
        _IMPOSSIBLE,
        "a concentration (or a value to be analysed as a logarithm) that is not positive",
        'Is it a change, or already a logarithm? Use the change columns, or scale = "ln" or "log10".',
    ),
    Check("sd-ratio", "warning", _IMPLAUSIBLE, "SDs of two arms that differ more than tenfold", _LOOK),
    Check(
        "sd-looks-like-se",
        "warning",
        _IMPLAUSIBLE,
        "an SD so small that it looks like a standard error",
        "If the source prints a standard error, move the value to the column se.",
    ),
    Check(
        "grim-inconsistent",
        "warning",
        _IMPLAUSIBLE,
        "a mean that so many whole-number scores cannot have (GRIM test; for outcomes with integer_items)",
        "Check the mean and n: were fewer people analysed, or scores imputed or weighted? Else accept it by a decision.",
    ),
    Check(
        "grimmer-inconsistent",
        "warning",
        _IMPLAUSIBLE,
        "an SD that so many whole-number scores with this mean cannot have (GRIMMER test)",
        "Check the SD and n: is it a standard error, were fewer people analysed? Else accept it by a decision.",
    ),
    Check("identical-rows", "warning", _IMPLAUSIBLE, "three or more rows with identical numbers", _LOOK),
    Check(
        "unit-suspect",
        "warning",
        _IMPLAUSIBLE,
        "numbers that differ from those of the same outcome by a factor that units or logarithms explain",
        "Compare the unit and the scale with the source.",
    ),
    Check(
        "time-inconsistent",
        "warning",
        _IMPLAUSIBLE,
        "weeks that do not fit the time",
        "Correct weeks or time: pre is week 0, post the end of treatment, follow-up later.",
    ),
    Check(
        "baseline-alone",
        "warning",
        _IMPLAUSIBLE,
        "a baseline row without any later row",
        "Add the later row, or leave it: a baseline alone yields no effect.",
    ),
    Check(
        "unknown-trial",
        "error",
        _REFERENCE,
        "a row refers to a trial that the trials table does not have",
        "Correct the name or add the trial.",
    ),
    Check(
        "unknown-outcome",
        "error",
        _REFERENCE,
        "a row refers to an outcome that the protocol does not declare",
        "Correct the name or declare it as [[outcomes]] in review.toml.",
    ),
    Check(
        "unknown-class",
        "error",
        _REFERENCE,
        "a class that the protocol does not declare",
        "Correct the name or declare it under [classes] in review.toml.",
    ),
    Check(
        "unknown-arm",
        "warning",
        _REFERENCE,
        "an arm of the contrasts table that the trial's rows in the arms table do not have",
        "Use the same name in both tables if it is the same arm.",
    ),
    Check(
        "unknown-column",
        "error",
        _REFERENCE,
        "the protocol asks for a column that no table has",
        "Correct the name or add the column to the trials table (or, if it varies within a trial, to the arms table).",
    ),
    Check(
        "names-alike",
        "warning",
        _REFERENCE,
        "two trials, or two arms of a trial, whose names differ in capitals or spaces only",
        "If they are one, write the name alike in all rows.",
    ),
    Check(
        "role-inconsistent",
        "error",
        _REFERENCE,
        "one arm is called treatment in one row and control in another",
        "Give the arm the same role in all of its rows.",
    ),
    Check(
        "role-missing",
        "warning",
        _REFERENCE,
        "a trial whose arms are all treated, or all control",
        "Add the other arm.",
    ),
    Check(
        "contrast-at-baseline",
        "error",
        _REFERENCE,
        "a contrast at time pre, which is no result",
        'Use time "post" or "follow-up".',
    ),
    Check(
        "trial-without-results",
        "warning",
        _REFERENCE,
        "a trial with no row in any result table",
        "Add its results, or leave it: it is listed as not computable.",
    ),
    Check(
        "risk-of-bias-conflict",
        "warning",
        _REFERENCE,
        "the two places for risk of bias disagree",
        "Leave risk_of_bias empty in trials, or make it the worst overall judgement.",
    ),
    Check(
        "protocol-syntax",
        "error",
        _PROTOCOL,
        "review.toml is not valid TOML",
        "Text needs double quotes, numbers none; each key stands once.",
    ),
    Check(
        "protocol-unknown-key",
        "error",
        _PROTOCOL,
        "a key that the protocol does not know",
        "Correct or remove it.",
    ),
    Check("protocol-missing-key", "error", _PROTOCOL, "a required key is missing", "Add it."),
    Check("protocol-value", "error", _PROTOCOL, "a value that the protocol does not allow", "Correct it."),
    Check(
        "prisma-arithmetic",
        "error",
        _PROTOCOL,
        "the boxes of the PRISMA flow do not add up",
        "Correct the counts under [prisma].",
    ),
    Check(
        "decision-unmatched",
        "error",
        _DECISION,
        "a decision that matches no row",
        "Correct `where`: every column in it must hold exactly that value.",
    ),
    Check(
        "decision-without-finding",
        "warning",
        _DECISION,
        "an accepted finding that was not made",
        "Remove the decision, or correct its code or `where`.",
    ),
    Check("decision-exclude", "info", _DECISION, "rows that a declared decision excludes", ""),
    Check("decision-set", "info", _DECISION, "a cell that a declared decision replaces", ""),
)

CHECKS: dict[str, Check] = {check.code: check for check in _ALL}
