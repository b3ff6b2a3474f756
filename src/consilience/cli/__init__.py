"""The command line: thin; one file per command; exit codes 0 done, 1 the review has errors, 2 wrong usage."""

from __future__ import annotations

from .main import run_command_line

__all__ = ["run_command_line"]
