"""Documentation that derives from the registries: every column of every table, every check."""

from __future__ import annotations

from .check_list import CHECKS
from .effect_check_list import EFFECT_CHECKS
from .schema import TABLES, Field, TableSchema

_INTRODUCTION = """# The tables of a review

Each table is a CSV (UTF-8; comma, semicolon or tab), Excel (.xlsx, `"book.xlsx#sheet"`) or Parquet file that review.toml
names under `[files]`. The first row holds the column names, which may stand in any order. Leave a cell empty where the
source prints nothing; leave out columns that you do not need. Write numbers plainly (`1234.5`; with a decimal comma,
`1234,5`, if review.toml declares it for all text files). Any other column is kept and, in the trials table, can be a
moderator or a subgroup.

Put each printed number where it belongs and convert nothing: `consilience check` says what is missing or odd, and
every effect in the report says from which cells it was made.
"""

_WHERE = """## Where does a printed number go?

| the source prints | table | columns |
|---|---|---|
| mean and SD, SE or CI in each arm, before and after | arms, one row an arm and time | `mean` with `sd`, `se` or `ci_low` `ci_high`; `n` |
| change in each arm with SD, SE or CI | arms, the row of the later time | `change` with `change_sd`, `change_se` or `change_ci_low` `change_ci_high`; `n`; the SD before treatment in the row of time pre |
| change in each arm with a paired t or an exact p | arms, the row of the later time | `change` with `change_t` or `change_p`; `n` |
| geometric mean and CI | arms | `geometric_mean`, `geometric_ci_low`, `geometric_ci_high`; `n` |
| mean and SD of logarithms | arms | `mean`, `sd`, `scale` = ln or log10 |
| median and quartiles, or range | arms | `median`, `q1`, `q3`, `minimum`, `maximum`; `n` |
| people with an event | arms, the row of the later time | `events`, `total` |
| pre-post correlation | arms | `r` |
| difference between the arms with SE or CI | contrasts | `difference` with `difference_se` or `difference_ci_low` `difference_ci_high` |
| t, F(1, df) or chi-squared(1) | contrasts | `t`, `f`, `chi2` with `df`, `n_treatment`, `n_control`; `direction` for f and chi2 |
| exact p and which arm is higher | contrasts | `p`, `direction`, `n_treatment`, `n_control` |
| odds ratio and CI | contrasts | `odds_ratio`, `odds_ratio_ci_low`, `odds_ratio_ci_high` |
| a standardised mean difference | contrasts | `smd` with `smd_se` or `smd_ci_low` `smd_ci_high` |
"""


def describe_tables() -> str:
    """All columns of all tables as one Markdown page."""
    return "\n".join([_INTRODUCTION, _WHERE, *(_table(schema) for schema in TABLES.values())])


def describe_checks() -> str:
    """All findings that reading and checking can make as one Markdown page."""
    parts = [
        "# What is checked\n",
        "An error must be mended or decided: `consilience check` and `consilience run` end with exit code 1. A value that is",
        "impossible is not used. A warning is for your judgement. A decision in review.toml (`[[decisions]]`) can exclude rows,",
        'set cells, or accept a finding by its code (`action = "accept"`); each decision carries its reason into the report.\n',
    ]
    every = (*CHECKS.values(), *EFFECT_CHECKS.values())
    for group in dict.fromkeys(check.group for check in every):
        parts += [f"## {group}\n", "| code | severity | meaning | what to do |", "|---|---|---|---|"]
        checks = [check for check in every if check.group == group]
        parts += [f"| `{c.code}` | {c.severity} | {c.meaning} | {_escaped(c.advice)} |" for c in checks]
        parts.append("")
    return "\n".join(parts)


def _table(schema: TableSchema) -> str:
    key = ", ".join(f"`{name}`" for name in schema.key)
    lines = [
        f"## {schema.name}\n",
        f"One row is {schema.row_is}. No two rows have the same {key}.\n",
        "| column | holds | needed | meaning | example |",
        "|---|---|---|---|---|",
    ]
    for field in schema.fields:
        needed = "yes" if field.required else ""
        lines.append(
            f"| `{field.name}` | {_holds(field)} | {needed} | {_escaped(field.meaning)} | {field.example} |"
        )
    return "\n".join([*lines, ""])


def _holds(field: Field) -> str:
    if field.kind == "choice":
        return " or ".join(f"`{word}`" for word in field.allowed)
    if field.kind == "text":
        return "text"
    if field.minimum is not None and field.maximum is not None:
        return f"number, {field.minimum:g} to {field.maximum:g}"
    if field.minimum is not None:
        return f"number {'above' if field.open_minimum else 'from'} {field.minimum:g}"
    return "number"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")
