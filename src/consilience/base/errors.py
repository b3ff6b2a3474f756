"""Errors that say what is wrong, where, what was got, what is allowed and what to do; each has a stable code."""

from __future__ import annotations


class ConsilienceError(Exception):
    """Base of every error that we raise on purpose.

    Parameters
    ----------
    message : what is wrong, in one sentence that names the value.
    code : stable kebab-case identifier, e.g. ``"unknown-option"``.
    advice : what to do about it; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, *, code: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}".strip()


class OptionError(ConsilienceError, ValueError):
    """A choice that is not on the list; the message names the nearest one that is."""

    exit_code = 2


class InputError(ConsilienceError, ValueError):
    """Arguments or data with which a calculation is not defined (shape, sign, missing value ...)."""


class UsageError(ConsilienceError):
    """A command that cannot be carried out as typed (no such folder, the target exists ...)."""

    exit_code = 2
