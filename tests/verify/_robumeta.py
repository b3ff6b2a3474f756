"""robu() of robumeta."""

from . import Outcome


def check_robu(case, datasets):
    return Outcome("uncovered")


def check_clubsandwich(case, datasets):
    return Outcome("uncovered")
