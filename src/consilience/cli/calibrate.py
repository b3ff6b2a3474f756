"""`consilience calibrate`: what the review's own interval and test really do."""

from __future__ import annotations

from pathlib import Path

import typer


def calibrate(
    folder: Path = typer.Argument(
        metavar="FOLDER", help="The review: a folder with review.toml.", show_default=False
    ),
    replicates: int = typer.Option(
        1000, "--replicates", "-n", min=20, max=1_000_000, help="Simulated reviews of each kind."
    ),
    effect: float = typer.Option(
        None, "--effect", metavar="G", help="True g for the power; default: relevance of the protocol."
    ),
    seed: int = typer.Option(
        None, "--seed", min=0, help="Of the random numbers; default: that of the protocol."
    ),
    out: Path = typer.Option(
        None, "--out", "-o", metavar="FILE.json", help="Also write all numbers there.", dir_okay=False
    ),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="No progress bar."),
) -> None:
    """Simulate reviews like this one and count how often the answer is right.

    Draws new results for the same trials from the fitted model, analyses each as this review is analysed, and reports
    how often the intervals contain the truth, how often an effect is found where there is none and where there is one,
    and how far the pooled effect is off if results were published selectively; for four tests side by side.

    Examples:

        consilience calibrate my-review

        consilience calibrate my-review --replicates 5000 --effect 0.3 --out calibration.json
    """
    from math import isfinite

    from ..io.atomic import write_atomic
    from ..review.calibration import calibrate_review, sentences, to_json
    from ..review.check import check
    from .notes import print_notes
    from .progress import shown_progress

    if effect is not None and not isfinite(effect):
        raise typer.BadParameter(f"{effect:g} is not a finite number.", param_hint="--effect")
    with shown_progress(quiet=quiet) as progress:
        progress("Checking", 0, 1)
        found = check(folder)
        if not found.n_errors:
            result = calibrate_review(found.review, progress, replicates=replicates, effect=effect, seed=seed)
    if found.n_errors:
        print_notes(found.notes, severities=("error",))
        typer.echo(found.summary)
        typer.echo("Nothing was simulated. Mend the rows, or decide them in review.toml, and run again.")
        raise typer.Exit(1)
    typer.echo(str(result))
    for text in sentences(result):
        typer.echo(text)
    if out is not None:
        write_atomic(out, to_json(result).encode("utf-8"))
        typer.echo(f"Numbers: {out}")
