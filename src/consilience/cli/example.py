"""`consilience example`: a copy of a shipped review, or a simulated one."""

from __future__ import annotations

from pathlib import Path

import typer


def example(
    name: str = typer.Argument(
        "",
        help="immune (22 real trials) or planted (simulated, with a truth that you set).",
        show_default=False,
    ),
    folder: Path = typer.Argument(
        None, help="Where to put it; must not exist yet or be empty.", show_default=False
    ),
    trials: int = typer.Option(56, help="planted: number of trials.", min=2),
    people: int = typer.Option(4060, help="planted: people in all trials.", min=40),
    effects_per_trial: float = typer.Option(3.0, help="planted: average number of results per trial.", min=1),
    g: float = typer.Option(0.30, help="planted: true overall effect."),
    tau: float = typer.Option(0.15, help="planted: SD of true effects between trials.", min=0),
    tau_within: float = typer.Option(0.10, help="planted: SD of true effects within trials.", min=0),
    decay: float = typer.Option(
        0.0, help="planted: share of the effect lost in 26 weeks after treatment.", min=0, max=1
    ),
    bias: float = typer.Option(0.0, help="planted: small-study bias, g per unit of sqrt(1/nT + 1/nC)."),
    seed: int = typer.Option(1, help="planted: seed of the simulation.", min=0),
) -> None:
    """Copy a shipped review into a folder. Without a name: list them.

    Examples:

        consilience example immune ./immune

        consilience example planted ./planted --g 0.3 --decay 0.5 --seed 7

        consilience example planted ./large --trials 500 --people 36000 --effects-per-trial 10
    """
    from ..base.errors import UsageError
    from ..datasets import copy_example, examples

    if not name:
        for known, description in examples().items():
            typer.echo(f"{known:10} {description}")
        return
    if folder is None:
        raise UsageError(f"Say where to put it: consilience example {name} ./{name}", code="no-folder")
    truth = {
        "trials": trials,
        "people": people,
        "effects_per_trial": effects_per_trial,
        "g": g,
        "tau_study": tau,
        "tau_effect": tau_within,
        "decay": decay,
        "bias": bias,
        "seed": seed,
    }
    copy_example(name, folder, **(truth if name == "planted" else {}))
    typer.echo(f"Made {folder}. Next: consilience run {folder}")
