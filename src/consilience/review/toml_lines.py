"""Where each key of a TOML text stands, so that an error about a value can name its line."""

from __future__ import annotations

import re

Path = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\r\n#]*")
_QUOTED = re.compile(r'"(?:\\.|[^"\\\n])*"|' r"'[^'\n]*'")
_LONG = re.compile(r'"""(?:\\.|[^\\])*?"{3,5}|' r"'''.*?'{3,5}", re.DOTALL)


def key_lines(text: str) -> dict[Path, int]:
    """Path of every table, key and array item -> line (first = 1).

    The text must be valid TOML (tomllib has read it): the scan checks nothing itself.
    """
    return _Scanner(text).run()


def line_of(lines: dict[Path, int], path: Path) -> int | None:
    """The line of a path, or of the nearest thing around it."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Path, int] = {}
        self.items: dict[Path, int] = {}  # arrays of tables -> number of items so far

    def run(self) -> dict[Path, int]:
        table: Path = ()
        while self._skip(_BLANK) < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
        return self.lines

    def _skip(self, pattern: re.Pattern[str]) -> int:
        found = pattern.match(self.text, self.at)
        self.at = found.end() if found else self.at
        return self.at

    def _mark(self, path: Path, position: int) -> None:
        self.lines.setdefault(path, self.text.count("\n", 0, position) + 1)

    def _header(self) -> Path:
        start = self.at
        double = self.text.startswith("[[", start)
        self.at += 2 if double else 1
        keys = self._keys()
        self.at += 2 if double else 1
        path: Path = ()
        for key in keys[:-1]:
            path = (*path, key)
            if path in self.items:  # a header below an array of tables means its last item
                path = (*path, self.items[path] - 1)
        path = (*path, keys[-1])
        if double:
            self._mark(path, start)
            self.items[path] = self.items.get(path, 0) + 1
            path = (*path, self.items[path] - 1)
        self._mark(path, start)
        return path

    def _keys(self) -> list[str]:
        keys: list[str] = []
        while True:
            self._skip(_SPACE)
            quoted = _QUOTED.match(self.text, self.at)
            found = quoted or _BARE.match(self.text, self.at)
            if found is None:  # cannot happen in valid TOML; never loop for ever
                self.at = len(self.text)
                return keys or [""]
            keys.append(found.group()[1:-1] if quoted else found.group())
            self.at = found.end()
            self._skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.at += 1

    def _pair(self, table: Path) -> None:
        start = self.at
        keys = self._keys()
        for end in range(1, len(keys) + 1):
            self._mark((*table, *keys[:end]), start)
        self.at += 1  # the equals sign
        self._skip(_SPACE)
        self._value((*table, *keys))

    def _value(self, path: Path) -> None:
        opening = self.text[self.at : self.at + 1]
        if opening == "[":
            self._many(path, "]", is_table=False)
        elif opening == "{":
            self._many(path, "}", is_table=True)
        elif _LONG.match(self.text, self.at):
            self._skip(_LONG)
        elif _QUOTED.match(self.text, self.at):
            self._skip(_QUOTED)
        else:
            self._skip(_SCALAR)

    def _many(self, path: Path, closing: str, *, is_table: bool) -> None:
        """An array or an inline table."""
        self.at += 1
        index = 0
        while self._skip(_BLANK) < len(self.text) and self.text[self.at] != closing:
            if self.text[self.at] == ",":
                self.at += 1
                continue
            if is_table:
                self._pair(path)
            else:
                self._mark((*path, index), self.at)
                self._value((*path, index))
                index += 1
        self.at += 1
