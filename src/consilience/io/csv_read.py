"""CSV as people's programs write it: BOM, semicolons, tabs, quoted line breaks, old encodings."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from ..base.errors import InputError
from ..data.findings import Place, finding
from ..data.raw import RawTable
from ..records import Note
from .shape import shape_rows


def read_csv(path: Path) -> RawTable:
    """The cells of a delimited text file, all as text; lines are those of a text editor.

    Raises
    ------
    InputError : ``file-unreadable`` (empty, binary, a quotation mark that is never closed).
    """
    text, notes = _decode(path.read_bytes(), path.name)
    return shape_rows(path.name, _records(text, path.name), notes)


def _decode(content: bytes, file: str) -> tuple[str, list[Note]]:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace"), []
    if b"\0" in content:
        raise InputError(
            f'"{file}" is not a text file.', code="file-unreadable", advice="Save it as CSV (UTF-8)."
        )
    try:
        return content.decode("utf-8-sig"), []
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    message = f"The file is not UTF-8 (first seen in row {line}); it was read as Windows-1252."
    # latin-1 has every byte; it stands in where Windows-1252 has none
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text, [finding("file-encoding", message, Place(file, line))]


def _records(text: str, file: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each record; a record with quoted line breaks counts all of its lines."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    line = 1
    try:
        for record in reader:
            yield line, [cell.strip() for cell in record]
            line = reader.line_num + 1
    except csv.Error as error:
        message = f'"{file}" cannot be read from row {line} on: {error}.'
        advice = "Look for a quotation mark that is not closed, or not doubled inside a quoted cell."
        raise InputError(message, code="file-unreadable", advice=advice) from error


def _delimiter(text: str) -> str:
    """Comma, semicolon or tab: whichever is most frequent in the header outside quotes (comma if none is)."""
    counts = dict.fromkeys(",;\t", 0)
    quoted = False
    for character in text.lstrip("\r\n"):
        if character == '"':
            quoted = not quoted
        elif character in "\r\n" and not quoted:
            break
        elif character in counts and not quoted:
            counts[character] += 1
    return max(counts, key=lambda mark: counts[mark])
