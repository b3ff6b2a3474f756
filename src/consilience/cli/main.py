"""The `consilience` command: its help, its commands and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import typer

from .. import __version__
from ..base.errors import ConsilienceError
from .calibrate import calibrate
from .check import check
from .example import example
from .init import init
from .multiverse import multiverse
from .run import run

INTERNAL_ERROR = 70
# typer carries its own copy of click in newer versions and imports click in older ones; this is the base of both
CommandLineError: type[Exception] = next(
    c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException"
)

HELP = """From a folder of randomised trials to an answer, with every number traceable to a trial.

Start here:

\b
  consilience example immune ./immune   a review of 22 real trials, to play with
  consilience run ./immune              check, compute, write the report
  consilience init ./my-review          your own: commented protocol and tables
  consilience check ./my-review         every problem, by file, row and column
  consilience multiverse ./my-review    the answer under every combination of defensible choices
  consilience calibrate ./my-review     how often such a review is right

Exit codes: 0 done; 1 the protocol or the data have errors (all are listed); 2 wrong usage.
"""

app = typer.Typer(
    name="consilience",
    help=HELP,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"consilience {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", help="Print the version and stop.", callback=_version, is_eager=True
    ),
) -> None:
    """Options before the command."""


for command in (init, check, run, multiverse, calibrate, example):
    app.command()(command)


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command; every failure ends in a sentence and an exit code, never in a traceback."""
    try:
        result = app(args=list(arguments), prog_name="consilience", standalone_mode=False)
    except CommandLineError as error:
        cast(Any, error).show()  # every such error of click has it
        return 2
    except ConsilienceError as error:
        typer.echo(f"consilience: {error}", err=True)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Stopped. Nothing was written.", err=True)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except OSError as error:
        typer.echo(f"consilience: {error.strerror or error}: {error.filename or ''}".rstrip(": "), err=True)
        return 1
    except Exception as error:  # the last line of defence: a fault of ours
        if os.environ.get("CONSILIENCE_DEBUG"):
            raise
        typer.echo(
            f"consilience: internal error ({type(error).__name__}: {error}). This is our fault. "
            "Set CONSILIENCE_DEBUG=1 to see where, and please report it with the command that you ran.",
            err=True,
        )
        return INTERNAL_ERROR
    return result if isinstance(result, int) else 0
