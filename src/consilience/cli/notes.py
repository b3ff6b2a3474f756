"""Notes on a terminal: grouped by file, in order of rows, wrapped."""

from __future__ import annotations

from collections.abc import Sequence

from ..records import Note

STYLES = {"error": "bold red", "warning": "yellow", "info": "dim"}


def print_notes(notes: Sequence[Note], *, severities: Sequence[str]) -> None:
    """Print the notes of the given severities; text from data is never read as markup."""
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=False)
    shown = [note for note in notes if note.severity in severities]
    files = list(dict.fromkeys(note.file or "review" for note in shown))
    for file in files:
        console.print(Text(file, style="bold"))
        mine = [note for note in shown if (note.file or "review") == file]
        for note in sorted(mine, key=lambda n: (severities.index(n.severity), n.row or 0, n.column)):
            head = Text()
            head.append(note.severity, style=STYLES[note.severity])
            place = ", ".join(
                p
                for p in (
                    f"{note.row_word} {note.row}" if note.row else "",
                    f"column {note.column}" if note.column else "",
                )
                if p
            )
            head.append(f"  {place}" if place else "")
            head.append(f"  [{note.code}]", style="dim")
            console.print(Padding(head, (0, 0, 0, 2)))
            console.print(Padding(Text(f"{note.message} {note.advice}".strip()), (0, 0, 0, 4)))
        console.print()
