"""Aliases as documents, each with all of its targets."""

from typing import Any
from uuid import UUID

from sql.statements import Executor, statement


async def list_aliases(
    db: Executor, alias: str | None, of_everybody: bool, project_id: UUID | None
) -> list[dict[str, Any]]:
    """Those that all share and every project's own with `of_everybody`; else a project's own, None for the shared."""
    return [dict(row) for row in await db.fetch(statement("list_aliases"), alias, of_everybody, project_id)]


async def lock_alias(db: Executor, alias: str, project_id: UUID | None) -> int | None:
    """Its revision, held until the transaction ends; None when there is no such alias."""
    revision: int | None = await db.fetchval(statement("lock_alias"), alias, project_id)
    return revision


async def put_alias(db: Executor, alias: str, project_id: UUID | None, row: dict[str, Any]) -> None:
    await db.execute(statement("put_alias"), alias, project_id, row)


async def put_alias_targets(db: Executor, alias: str, project_id: UUID | None, rows: list[dict[str, Any]]) -> None:
    """These and no others; those that are the same already are not written."""
    await db.execute(statement("put_alias_targets"), alias, project_id, rows)


async def remove_alias(db: Executor, alias: str, project_id: UUID | None) -> bool:
    """With its targets; False when there is no such alias."""
    return await db.fetchval(statement("remove_alias"), alias, project_id) is not None
