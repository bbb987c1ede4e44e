"""The trail of changes: who is named for those of this transaction, and what is read of it."""

from typing import Any

from sql.statements import Executor, statement


async def set_actor(db: Executor, actor: str) -> None:
    """Who the trail names for every change of this transaction; without it, the role that logged in."""
    await db.execute(statement("set_actor"), actor)


async def list_changes(
    db: Executor, subject: str | None, actor: str | None, action: str | None, before_id: int | None, limit: int
) -> list[dict[str, Any]]:
    """The newest first, those older than `before_id`. `subject` is one (`models openai/gpt-6-luna`) or a table."""
    return [dict(row) for row in await db.fetch(statement("list_changes"), subject, actor, action, before_id, limit)]
