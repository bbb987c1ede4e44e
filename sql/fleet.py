"""What metrics say of everything that Postgres knows."""

from dataclasses import dataclass

from sql.statements import Executor, statement


@dataclass(frozen=True, slots=True)
class JobCount:
    state: str
    kind: str
    jobs: int


@dataclass(frozen=True, slots=True)
class AlertCount:
    kind: str
    alerts: int


async def count_open_jobs(db: Executor) -> list[JobCount]:
    """Jobs that are not over."""
    return [JobCount(**row) for row in await db.fetch(statement("count_open_jobs"))]


async def count_open_alerts(db: Executor) -> list[AlertCount]:
    return [AlertCount(**row) for row in await db.fetch(statement("count_open_alerts"))]


async def is_operator_key(db: Executor, key_hash: bytes) -> bool:
    """Is it a key of an operator, and in force?"""
    found: bool = await db.fetchval(statement("is_operator_key"), key_hash)
    return found
