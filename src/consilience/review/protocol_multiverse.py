"""The section [multiverse]: what must hold between its alternatives and the rest, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..base.options import suggestion
from ..data.findings import joined
from ..records import Multiverse
from .protocol_models import Multiverse as MultiverseSection
from .protocol_models import ProtocolModel

SELECTIONS = ("all", "one per trial")
KINDS = ("family", "class", "outcome")


def multiverse_problems(
    section: MultiverseSection, protocol: ProtocolModel
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """(path, code, sentence) of alternatives that stand twice and of outcomes that the protocol does not declare."""
    for name, values in declared(section).items():
        for i, value in enumerate(values):
            if value in values[:i]:
                shown = f'"{value}"' if isinstance(value, str) else f"{value:g}"
                yield ("multiverse", name, i), "protocol-value", f"[multiverse] {name}: {shown} stands twice."
    for i, word in enumerate(section.outcomes or ()):
        problem = _selection(word, protocol)
        if problem is not None:
            code, sentence = problem
            yield ("multiverse", "outcomes", i), code, f"[multiverse] outcomes[{i + 1}]: {sentence}"


def _selection(word: str, protocol: ProtocolModel) -> tuple[str, str] | None:
    if word in SELECTIONS:
        return None
    kind, colon, name = word.partition(": ")
    if not colon or kind not in KINDS:
        allowed = joined([f'"{w}"' for w in (*SELECTIONS, *(f"{k}: NAME" for k in KINDS))], "or")
        return (
            "protocol-value",
            f'"{word}" is not known; allowed: {allowed}. {suggestion(word, SELECTIONS)}'.strip(),
        )
    known = {
        "family": ["harmful", "beneficial"],
        "class": protocol.classes.outcomes,
        "outcome": [outcome.name for outcome in protocol.outcomes],
    }[kind]
    if name in known:
        return None
    code = "protocol-value" if kind == "family" else f"unknown-{kind}"
    return code, f'there is no {kind} "{name}". {suggestion(name, known)}'.strip()


def declared(section: MultiverseSection) -> dict[str, list[Any]]:
    """Dimension -> its declared alternatives; those left out are absent."""
    return {name: value for name, value in section if isinstance(value, list)}


def resolved(section: MultiverseSection | None) -> Multiverse:
    """The section as the plan holds it, with the default alternatives where none are declared."""
    if section is None:
        return Multiverse()
    lists = {name: tuple(values) for name, values in declared(section).items()}
    return Multiverse(**lists, most=section.most, declared=True)
