"""A change of the configuration: one transaction with its author, and refusals in words."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from core.errors import Conflict, FactoryError, Problem, RequestRefused
from sql.admin_audit import set_actor
from sql.pool import Database
from sql.statements import Executor

RULES = {
    "model_prices_threshold_tokens_with_rates": ("threshold_tokens", "rates above a threshold need threshold_tokens"),
    "model_prices_threshold_tokens_with_hour": ("threshold_tokens", "rates above a threshold need threshold_tokens"),
    "model_prices_valid_from_dated": ("valid_from", "a time from 1970 on is needed"),
    "aliases_check": ("latency_bound_ms", "strategy cheapest_within needs latency_bound_ms"),
}


@asynccontextmanager
async def refusing() -> AsyncIterator[None]:
    """What Postgres refuses for its content becomes a RequestRefused or a Conflict."""
    try:
        yield
    except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
        raise refusal_of(error) from None
    except asyncpg.TransactionRollbackError:
        raise Conflict("another change was under way at the same time; try again") from None


@asynccontextmanager
async def changing(database: Database, actor: str) -> AsyncIterator[Executor]:
    """All or nothing; the audit trail names `actor`."""
    async with refusing(), database.acquire() as connection, connection.transaction():
        await set_actor(connection, actor)
        yield connection


def refusal_of(error: asyncpg.PostgresError) -> FactoryError:
    """Never with the whole row in it: that may hold what somebody took for a reference to a key."""
    seen: Any = error
    fields, values = _key_of(seen.detail or "")
    match error:
        case asyncpg.UniqueViolationError():
            return Conflict(f"there is one already with {_pairs(fields, values)}; change that one")
        case asyncpg.ForeignKeyViolationError() if "is not present in" in (seen.detail or ""):
            return RequestRefused.of([Problem(f"there is nothing with {_pairs(fields, values)}", fields[-1])])
        case asyncpg.ForeignKeyViolationError():
            return Conflict(f"it is still used by {seen.table_name}")
        case asyncpg.CheckViolationError():
            rule = seen.constraint_name or ""
            field, message = RULES.get(rule, (None, f"Postgres refuses this by its rule {rule}"))
            return RequestRefused.of([Problem(message, field)])
        case asyncpg.NotNullViolationError():
            return RequestRefused.of([Problem("a value is needed", seen.column_name)])
        case _:
            return RequestRefused.of([Problem(f"Postgres cannot hold this value: {seen.message}")])


def _key_of(detail: str) -> tuple[list[str], list[str]]:
    """`Key (provider, model_id)=(openai, x) …` as its columns and values; a value with a comma may be cut."""
    match = re.match(r"Key \((.*?)\)=\((.*)\)", detail)
    return (match[1].split(", "), match[2].split(", ")) if match else (["key"], ["this key"])


def _pairs(fields: list[str], values: list[str]) -> str:
    return ", ".join(f"{field} {value!r}" for field, value in zip(fields, values, strict=False))
