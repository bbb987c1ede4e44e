"""What an operator must see to."""

from datetime import datetime
from typing import Any

from sql.statements import Executor, statement


async def raise_alert(db: Executor, kind: str, subject: str, message: str) -> None:
    """One open alert for each subject and kind; raised again, it counts."""
    await db.execute(statement("raise_alert"), kind, subject, message)


async def resolve_alert(db: Executor, subject: str) -> None:
    """Everything about this subject is well again."""
    await db.execute(statement("resolve_alert"), subject)


async def resolve_alert_before(db: Executor, kind: str, subject: str, before: datetime | None) -> None:
    """What was last said of it before that time is over; `before` None: whenever it was said."""
    await db.execute(statement("resolve_alert_before"), kind, subject, before)


async def select_alerts(db: Executor, *, resolved: bool) -> list[dict[str, Any]]:
    """The newest first; `resolved`: also those that are over."""
    return [dict(row) for row in await db.fetch(statement("select_alerts"), resolved)]
