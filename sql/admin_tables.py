"""The configuration tables as operators edit them. `row` and `changes` are by column; what is absent from `changes`
stays. Lists take the key, or None for any."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sql.statements import Executor, statement

Row = dict[str, Any]


async def _rows(db: Executor, name: str, *values: Any) -> list[Row]:
    return [dict(row) for row in await db.fetch(statement(name), *values)]


async def _row(db: Executor, name: str, *values: Any) -> Row | None:
    row = await db.fetchrow(statement(name), *values)
    return dict(row) if row else None


async def list_projects(db: Executor, name: str | None) -> list[Row]:
    return await _rows(db, "list_projects", name)


async def add_project(db: Executor, row: Row) -> Row | None:
    return await _row(db, "add_project", row)


async def change_project(db: Executor, name: str, changes: Row) -> Row | None:
    """None when there is no such row, here and below; else its key."""
    return await _row(db, "change_project", name, changes)


async def list_providers(db: Executor, provider: str | None) -> list[Row]:
    return await _rows(db, "list_providers", provider)


async def add_provider(db: Executor, row: Row) -> Row | None:
    return await _row(db, "add_provider", row)


async def change_provider(db: Executor, provider: str, changes: Row) -> Row | None:
    return await _row(db, "change_provider", provider, changes)


async def remove_provider(db: Executor, provider: str) -> Row | None:
    """None also while it has endpoints, models or voices."""
    return await _row(db, "remove_provider", provider)


async def list_endpoints(db: Executor, endpoint_id: UUID | None, provider: str | None) -> list[Row]:
    return await _rows(db, "list_endpoints", endpoint_id, provider)


async def add_endpoint(db: Executor, row: Row) -> Row | None:
    return await _row(db, "add_endpoint", row)


async def change_endpoint(db: Executor, endpoint_id: UUID, changes: Row) -> Row | None:
    return await _row(db, "change_endpoint", endpoint_id, changes)


async def remove_endpoint(db: Executor, endpoint_id: UUID) -> Row | None:
    return await _row(db, "remove_endpoint", endpoint_id)


async def list_models(db: Executor, provider: str | None, model_id: str | None) -> list[Row]:
    return await _rows(db, "list_models", provider, model_id)


async def add_model(db: Executor, row: Row) -> Row | None:
    return await _row(db, "add_model", row)


async def change_model(db: Executor, provider: str, model_id: str, changes: Row) -> Row | None:
    return await _row(db, "change_model", provider, model_id, changes)


async def remove_model(db: Executor, provider: str, model_id: str) -> Row | None:
    """With its prices. None also while an alias names it."""
    return await _row(db, "remove_model", provider, model_id)


async def list_prices(
    db: Executor, provider: str | None, model_id: str | None, valid_from: datetime | None
) -> list[Row]:
    return await _rows(db, "list_prices", provider, model_id, valid_from)


async def add_price(db: Executor, row: Row) -> Row | None:
    return await _row(db, "add_price", row)


async def change_price(db: Executor, provider: str, model_id: str, valid_from: datetime, changes: Row) -> Row | None:
    return await _row(db, "change_price", provider, model_id, valid_from, changes)


async def remove_price(db: Executor, provider: str, model_id: str, valid_from: datetime) -> Row | None:
    return await _row(db, "remove_price", provider, model_id, valid_from)


async def list_voices(db: Executor, provider: str | None, voice: str | None) -> list[Row]:
    return await _rows(db, "list_voices", provider, voice)


async def add_voice(db: Executor, row: Row) -> Row | None:
    return await _row(db, "add_voice", row)


async def change_voice(db: Executor, provider: str, voice: str, changes: Row) -> Row | None:
    return await _row(db, "change_voice", provider, voice, changes)


async def remove_voice(db: Executor, provider: str, voice: str) -> Row | None:
    return await _row(db, "remove_voice", provider, voice)
