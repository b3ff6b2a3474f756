"""Validation errors to sentences a reviewer can act on, each with its path in review.toml."""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ..base.options import suggestion
from ..data.findings import joined
from .protocol_models import ProtocolModel

Path = tuple[str | int, ...]

_MUST_BE = {
    "string_type": "text in double quotes",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "list_type": "a list in square brackets",
    "dict_type": 'a table such as { study = "Miller2014" }',
    "model_type": "a section or a table in braces",
    "finite_number": "a finite number",
    "string_too_short": "not empty",
    "too_short": "not empty",
}
_LIMITS = {
    "greater_than": ("gt", "above"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"),
}


def describe_error(error: ErrorDetails, raw: Mapping[str, Any]) -> tuple[str, str, str]:
    """(code, sentence, advice) of one pydantic error; `raw` is the protocol as written."""
    path: Path = error["loc"]
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return "protocol-unknown-key", _unknown(path, raw), ""
    if kind == "missing":
        return "protocol-missing-key", _missing(path, raw), ""
    start = f"{place_name(path, raw)} is {_shown(error['input'])}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context["expected"]))
        listed = joined([f'"{word}"' for word in allowed], "or")
        near = suggestion(str(error["input"]), allowed)
        return "protocol-value", f"{start}; allowed: {listed}. {near}".strip(), ""
    if kind in _LIMITS:
        key, word = _LIMITS[kind]
        return "protocol-value", f"{start}, but it must be {word} {context[key]:g}.", ""
    must = _MUST_BE.get(kind)
    return "protocol-value", f"{start}, but it must be {must}." if must else f"{start}: {error['msg']}.", ""


def place_name(path: Path, raw: Mapping[str, Any]) -> str:
    """``[model] level``, ``[[outcomes]] "CRP", better``: how a person finds the place."""
    if len(path) == 1:
        return f"[{path[0]}]"
    if not isinstance(path[1], int) or path[0] not in _array_tables():
        return f"[{path[0]}] {_dotted(path[1:])}"
    items = raw.get(str(path[0]))
    item = items[path[1]] if isinstance(items, list) and path[1] < len(items) else {}
    label = next(
        (item[k] for k in ("name", "column") if isinstance(item, dict) and isinstance(item.get(k), str)), None
    )
    named = f"[[{path[0]}]] " + (f'"{label}"' if label else f"number {path[1] + 1}")
    return f"{named}, {_dotted(path[2:])}" if len(path) > 2 else named


def _array_tables() -> set[str]:
    return {
        name
        for name, field in ProtocolModel.model_fields.items()
        if typing.get_origin(field.annotation) is list
    }


def _dotted(parts: Sequence[str | int]) -> str:
    text = ""
    for part in parts:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}"
    return text.lstrip(".")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "a table"
    return "an empty list" if value == [] else ("a list" if isinstance(value, list) else str(value))


def _unknown(path: Path, raw: Mapping[str, Any]) -> str:
    key = str(path[-1])
    known = _keys(_model_at(path[:-1]))
    if len(path) == 1:
        sentence = f"There is no section [{key}]. {suggestion(key, known)}"
    else:
        sentence = f'{place_name(path[:-1], raw)} has no key "{key}". {suggestion(key, known)}'
    owners = [name for name in ProtocolModel.model_fields if key in _keys(_model_at((name,)))]
    if "Did you mean" not in sentence and owners:
        sentence += f"It belongs under [{owners[0]}]."
    elif "Did you mean" not in sentence and len(path) > 1 and known:
        listed = joined([f'"{name}"' for name in known], "and")
        sentence += f"Allowed: {listed}."
    return sentence.strip()


def _missing(path: Path, raw: Mapping[str, Any]) -> str:
    if len(path) == 1:
        brackets = f"[[{path[0]}]]" if path[0] in _array_tables() else f"[{path[0]}]"
        return f"The section {brackets} is missing."
    return f'{place_name(path[:-1], raw)} needs the key "{path[-1]}".'


def _keys(model: type[BaseModel] | None) -> list[str]:
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(path: Path) -> type[BaseModel] | None:
    """The model of the section at a path, None where there is none."""
    model: type[BaseModel] | None = ProtocolModel
    for part in path:
        if isinstance(part, int) or model is None:
            continue
        fields = {field.alias or name: field for name, field in model.model_fields.items()}
        model = _model_in(fields[part].annotation) if part in fields else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(_model_in, typing.get_args(annotation)) if m), None)
