"""The schema as a page to read, out of a migrated database."""

from itertools import groupby
from typing import Any

from sql.pool import Database
from sql.statements import Executor, statement

HEAD = """# The schema

Everything stands in schema `factory` of PostgreSQL 15 or newer. This page is written by `scripts/document-schema`
from a migrated database, and a test holds the two together.
"""


async def describe_columns(db: Executor) -> list[dict[str, Any]]:
    """Every column of every table and view, in order."""
    return [dict(row) for row in await db.fetch(statement("describe_columns"))]


async def describe_constraints(db: Executor) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(statement("describe_constraints"))]


async def describe_indexes(db: Executor) -> list[dict[str, Any]]:
    """Indexes that no constraint made."""
    return [dict(row) for row in await db.fetch(statement("describe_indexes"))]


async def describe_schema(database: Database) -> str:
    """Markdown, the same for the same schema."""
    constraints = await describe_constraints(database)
    indexes = await describe_indexes(database)
    parts = [HEAD]
    for name, columns in groupby(await describe_columns(database), key=lambda row: row["table_name"]):
        parts.append(_section(name, list(columns), constraints, indexes))
    return "\n".join(parts)


def _section(
    name: str, columns: list[dict[str, Any]], constraints: list[dict[str, Any]], indexes: list[dict[str, Any]]
) -> str:
    lines = [f"### {name}", ""]
    if comment := columns[0]["table_comment"]:
        lines += [comment, ""]
    lines += ["| column | type | default | notes |", "|---|---|---|---|"]
    for column in columns:
        kind = column["column_type"] + (" not null" if column["required"] else "")
        default = f"`{column['default_value']}`" if column["default_value"] else ""
        lines.append(f"| {column['column_name']} | {kind} | {default} | {column['column_comment'] or ''} |")
    rules = [row["definition"] for row in (*constraints, *indexes) if row["table_name"] == name]
    if rules:
        lines += ["", *(f"- `{_plain(rule)}`" for rule in rules)]
    return "\n".join([*lines, ""])


def _plain(rule: str) -> str:
    return rule.replace("CREATE INDEX ", "INDEX ").replace("CREATE UNIQUE INDEX ", "UNIQUE INDEX ")
