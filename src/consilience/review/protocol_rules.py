"""What must hold between several keys of a protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from pydantic import ValidationError

from ..base.options import suggestion
from ..data.findings import joined
from .prisma import prisma_problems
from .protocol_models import CorrelationRange, DeclaredDecision, ProtocolModel
from .protocol_multiverse import multiverse_problems

Path = tuple[str | int, ...]
NAMED = (("outcomes",), ("classes",), ("effect",))  # what other keys refer to or rest on
TABLES = ("trials", "arms", "contrasts", "risk_of_bias")
Problem = tuple[Path, str, str]  # path, code, sentence


def cross_problems(protocol: ProtocolModel) -> Iterator[Problem]:
    """Everything that is wrong between keys which are each valid by themselves."""
    yield from _files(protocol)
    yield from _outcomes(protocol)
    yield from _pairs(protocol)
    yield from _duplicates(protocol.classes.interventions, ("classes", "interventions"))
    yield from _duplicates(protocol.classes.outcomes, ("classes", "outcomes"))
    yield from _duplicates([m.column for m in protocol.moderators], ("moderators",))
    if protocol.effect.default_r is not None:
        yield from _correlation(protocol.effect.default_r, ("effect", "default_r"), "[effect] default_r")
    for i, decision in enumerate(protocol.decisions):
        yield from _decision(decision, ("decisions", i), f"[[decisions]] number {i + 1}")
    if protocol.multiverse is not None:
        yield from multiverse_problems(protocol.multiverse, protocol)
    if protocol.prisma is not None:
        for box, sentence in prisma_problems(protocol.prisma):
            yield ("prisma", box), "prisma-arithmetic", sentence


def problems_beside(raw: Mapping[str, Any], wrong: Sequence[Path]) -> Iterator[Problem]:
    """The same for a file in which the values at the paths `wrong` are not valid: they are left out, so that one slip does not
    hide another. Nothing where other keys refer to what would be left out, or where it is needed."""
    if any(path[:1] in NAMED or len(path) == 1 for path in wrong):
        return
    rest = deepcopy(dict(raw))
    left_out: list[Path] = []
    for path in wrong:
        if not any(path[: len(other)] == other for other in left_out):
            left_out.append(_without(rest, path))
    try:
        model = ProtocolModel.model_validate(rest)
    except ValidationError:
        return
    for problem in cross_problems(model):
        if not any(problem[0][: len(path)] == path for path in left_out):
            yield problem


def _without(tree: dict[str, Any], path: Path) -> Path:
    """Deletes the innermost key on a path that is there, whole lists at most; returns its path."""
    inner: Any = tree
    found: Path = ()
    for depth, key in enumerate(path):
        if not isinstance(inner, dict) or key not in inner:
            break
        found, owner, inner = path[: depth + 1], inner, inner[key]
    if found:
        del owner[found[-1]]
    return found


def _files(protocol: ProtocolModel) -> Iterator[Problem]:
    files = protocol.files
    if files.arms is None and files.contrasts is None:
        yield (
            ("files",),
            "protocol-missing-key",
            '[files] needs "arms" or "contrasts": the tables of results.',
        )
    for name in TABLES:
        file = getattr(files, name)
        if file is not None and outside(file):
            sentence = f'[files] {name} is "{file}", but all files must lie in the folder of the review.'
            yield ("files", name), "protocol-value", sentence
        same = next((other for other in TABLES[: TABLES.index(name)] if getattr(files, other) == file), "")
        if file is not None and same:
            sentence = (
                f'[files] {name} and {same} are both "{file}", but each table has its own file or sheet.'
            )
            yield ("files", name), "protocol-value", sentence


def outside(file: str) -> bool:
    """Also on the other systems than the one that reads it: a review is handed from one to another."""
    windows = PureWindowsPath(file)
    absolute = PurePosixPath(file).is_absolute() or bool(windows.drive) or bool(windows.root)
    return absolute or ".." in windows.parts


def _outcomes(protocol: ProtocolModel) -> Iterator[Problem]:
    yield from _duplicates([outcome.name for outcome in protocol.outcomes], ("outcomes",))
    for i, outcome in enumerate(protocol.outcomes):
        where = f'[[outcomes]] "{outcome.name}"'
        if outcome.class_ not in protocol.classes.outcomes:
            near = suggestion(outcome.class_, protocol.classes.outcomes)
            sentence = f'{where}: class "{outcome.class_}" is not among [classes] outcomes. {near}'.strip()
            yield ("outcomes", i, "class"), "unknown-class", sentence
        if outcome.r is not None:
            yield from _correlation(outcome.r, ("outcomes", i, "r"), f"{where}, r")
        elif protocol.effect.default_r is None:
            sentence = f"{where} needs r, or [effect] needs default_r."
            yield ("outcomes", i), "protocol-missing-key", sentence


def _pairs(protocol: ProtocolModel) -> Iterator[Problem]:
    """Pairs of [dependence] name two declared outcomes, each pair once."""
    declared = [outcome.name for outcome in protocol.outcomes]
    seen: set[frozenset[str]] = set()
    for i, pair in enumerate(protocol.dependence.pairs):
        where, path = f"[dependence] pairs[{i + 1}]", ("dependence", "pairs", i)
        for name in pair.outcomes:
            if name not in declared:
                near = suggestion(name, declared)
                sentence = f'{where}: the outcome "{name}" is not declared in [[outcomes]]. {near}'.strip()
                yield path, "unknown-outcome", sentence
        if len(set(pair.outcomes)) < 2 or frozenset(pair.outcomes) in seen:
            yield (
                path,
                "protocol-value",
                f"{where} must name two different outcomes that no other pair names.",
            )
        seen.add(frozenset(pair.outcomes))


def _correlation(r: CorrelationRange, path: Path, where: str) -> Iterator[Problem]:
    if not r.low <= r.value <= r.high:
        sentence = f"{where}: value {r.value:g} must lie between low {r.low:g} and high {r.high:g}."
        yield path, "protocol-value", sentence


def _duplicates(names: Sequence[str], path: Path) -> Iterator[Problem]:
    for i, name in enumerate(names):
        if name in names[:i]:
            yield (*path, i), "protocol-value", f'{_title(path)}: "{name}" stands twice.'


def _title(path: Path) -> str:
    return f"[[{path[0]}]]" if len(path) == 1 else f"[{path[0]}] {path[1]}"


def _decision(decision: DeclaredDecision, path: Path, where: str) -> Iterator[Problem]:
    needs = {"set": "values", "accept": "code", "exclude": ""}[decision.action]
    given = {"values": bool(decision.values), "code": bool(decision.code)}
    if needs and not given[needs]:
        yield path, "protocol-missing-key", f'{where}: action "{decision.action}" needs the key "{needs}".'
    extra = [key for key, there in given.items() if there and key != needs]
    if extra:
        sentence = f'{where}: action "{decision.action}" takes no {joined(extra)}.'
        yield (*path, extra[0]), "protocol-value", sentence
