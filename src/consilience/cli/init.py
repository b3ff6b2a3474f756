"""`consilience init`: a new review folder, valid as it stands."""

from __future__ import annotations

from pathlib import Path

import typer


def init(
    folder: Path = typer.Argument(
        metavar="FOLDER", help="The folder to make; it must not exist yet or be empty.", show_default=False
    ),
) -> None:
    """Make a new review folder: protocol and tables.

    The protocol is commented, the tables hold a tiny worked example; both are valid as they stand.

    Example:

        consilience init my-review
    """
    from ..review.init import init as make

    made = make(folder)
    typer.echo(f"Made {folder}:")
    for path in made:
        typer.echo(f"  {path}")
    typer.echo(
        "\nThe example in it is made up and complete: try it first.\n"
        f"  consilience check {folder}\n"
        f"  consilience run {folder}\n"
        "Then replace the rows of the tables by your trials (COLUMNS.md says where each printed number goes)\n"
        "and edit review.toml: each line says what it is for."
    )
