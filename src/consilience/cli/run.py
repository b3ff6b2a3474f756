"""`consilience run`: check, compute, write the report, say the answer."""

from __future__ import annotations

from pathlib import Path

import typer


def run(
    folder: Path = typer.Argument(
        metavar="FOLDER", help="The review: a folder with review.toml.", show_default=False
    ),
    out: Path = typer.Option(
        None, "--out", "-o", help="Where to write; default: the folder report in the review."
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress and no summary; only errors."),
) -> None:
    """Check a review, compute it, write the report.

    Writes report.html (one file, opens in any browser), results.json, effects.csv, tables, figures (SVG, PNG) and
    reproduce.py. A report that is already there is replaced when the new one is complete, never before.

    Examples:

        consilience run my-review

        consilience run my-review --out results/2026-spring
    """
    from ..report import write_report
    from ..review.check import check
    from ..review.run import analyse
    from .notes import print_notes
    from .progress import shown_progress

    target = out if out is not None else folder / "report"
    with shown_progress(quiet=quiet) as progress:
        progress("Checking", 0, 1)
        found = check(folder)
        if not found.n_errors:
            analysis = analyse(found.review, progress=progress)
            progress("Writing the report", 0, 1)
            path = write_report(analysis, target)
    if found.n_errors:
        print_notes(found.notes, severities=("error",))
        typer.echo(found.summary)
        typer.echo(
            "Nothing was computed. Mend the rows, or decide them in review.toml ([[decisions]]), and run again."
        )
        raise typer.Exit(1)
    if not quiet:
        typer.echo(str(analysis))
        typer.echo(f'{found.computable} What the checks found: consilience check "{folder}"')
    typer.echo(f"Report: {path}")
