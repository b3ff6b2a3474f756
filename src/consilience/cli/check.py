"""`consilience check`: every problem of a review, none of them hidden behind the first."""

from __future__ import annotations

from pathlib import Path

import typer


def check(
    folder: Path = typer.Argument(
        metavar="FOLDER", help="The review: a folder with review.toml.", show_default=False
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Errors only."),
    explain: str = typer.Option(
        "",
        "--explain",
        "-e",
        metavar="ROW",
        help="Show how a row (arms.csv:12), a trial or an effect (its number in effects.csv) became a number.",
        show_default=False,
    ),
) -> None:
    """List every problem of protocol and data.

    By file, row and column; the exit code is 1 if there is an error.

    Errors must be mended or decided in review.toml ([[decisions]]); warnings are for your judgement.

    Examples:

        consilience check my-review

        consilience check my-review --explain arms.csv:4
    """
    if explain:
        from ..review.explain import explain as explain_row

        typer.echo(str(explain_row(folder, explain)))
        return
    from ..review.check import check as run_checks
    from .notes import print_notes

    found = run_checks(folder)
    print_notes(found.notes, severities=("error",) if quiet else ("error", "warning", "info"))
    typer.echo(found.summary)
    if found.n_errors:
        raise typer.Exit(1)
    typer.echo(f"Next: consilience run {folder}")
