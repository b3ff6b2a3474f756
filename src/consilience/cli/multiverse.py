"""`consilience multiverse`: the review in every combination of the choices that its protocol allows."""

from __future__ import annotations

from pathlib import Path

import typer


def multiverse(
    folder: Path = typer.Argument(
        metavar="FOLDER", help="The review: a folder with review.toml.", show_default=False
    ),
    out: Path = typer.Option(
        None,
        "--out",
        "-o",
        metavar="FILE.csv",
        help="Write every specification to this file.",
        dir_okay=False,
    ),
    workers: int = typer.Option(
        None,
        "--workers",
        "-w",
        min=1,
        max=64,
        help="Processes that compute; default: as many as pay. The answer does not depend on it.",
        show_default=False,
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress and no summary; only errors."),
) -> None:
    """Analyse a review in every combination of defensible choices.

    How effects are made, assumed correlations, which trials, outcomes and times, the model, the test: the section
    [multiverse] of review.toml lists the alternatives (there is a default set). Says in how many combinations the
    conclusion holds, and which choice moves the answer most.

    Examples:

        consilience multiverse my-review

        consilience multiverse my-review --out specifications.csv
    """
    from ..io.csv_write import write_csv
    from ..review.load import load
    from ..review.multiverse import multiverse as run_multiverse
    from ..review.multiverse import sentence
    from ..tables import csv_rows, show, specifications_table
    from .notes import print_notes
    from .progress import shown_progress

    if out is not None and out.suffix != ".csv":
        raise typer.BadParameter(f'"{out.name}" must end in .csv.', param_hint="--out")
    review = load(folder)
    if review.errors:
        print_notes(review.notes, severities=("error",))
        typer.echo(
            "Nothing was computed. Mend the rows, or decide them in review.toml ([[decisions]]), and run again."
        )
        raise typer.Exit(1)
    with shown_progress(quiet=quiet) as progress:
        result = run_multiverse(review, progress=progress, workers=workers)
    if out is not None:
        header, *rows = csv_rows(specifications_table(result))
        write_csv(out, rows, header=[str(name) for name in header])
    if not quiet:
        typer.echo(sentence(result))
        typer.echo()
        typer.echo(show(result))
        if out is not None:
            typer.echo(f"Every specification: {out}")
