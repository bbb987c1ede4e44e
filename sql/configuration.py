"""Reads what operators decided into a `core.catalog.Catalog`."""

from collections import defaultdict
from decimal import Decimal
from typing import Any
from uuid import UUID

from core.catalog import Alias, Catalog, Endpoint, Model, Price, Project, Provider, Target, Voice
from sql.pool import Database
from sql.statements import Executor, statement


async def read_config_version(db: Executor) -> int:
    """Grows with every committed change of the configuration."""
    version: int = await db.fetchval(statement("read_config_version"))
    return version


async def select_providers(db: Executor) -> list[Provider]:
    rows = await db.fetch(statement("select_providers"))
    return [Provider(**{**row, "regions": tuple(row["regions"])}) for row in rows]


async def select_endpoints(db: Executor) -> list[Endpoint]:
    return [Endpoint(**row) for row in await db.fetch(statement("select_endpoints"))]


async def select_models(db: Executor) -> list[Model]:
    return [
        Model(**{**row, "capabilities": frozenset(row["capabilities"]), "regions": tuple(row["regions"])})
        for row in await db.fetch(statement("select_models"))
    ]


async def select_prices(db: Executor) -> list[Price]:
    return [
        Price(
            **{
                **row,
                "regional_surcharge": _factors(row["regional_surcharge"]),
                "service_tiers": _factors(row["service_tiers"]),
            }
        )
        for row in await db.fetch(statement("select_prices"))
    ]


def _factors(stored: dict[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(str(factor)) for name, factor in stored.items()}


async def select_aliases(db: Executor) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(statement("select_aliases"))]


async def select_alias_targets(db: Executor) -> list[dict[str, Any]]:
    return [dict(row) for row in await db.fetch(statement("select_alias_targets"))]


async def select_voices(db: Executor) -> list[Voice]:
    return [Voice(**row) for row in await db.fetch(statement("select_voices"))]


async def select_projects(db: Executor) -> list[Project]:
    return [Project(**row) for row in await db.fetch(statement("select_projects"))]


async def read_controls(db: Executor) -> bool:
    """Is everything paused?"""
    paused: bool = await db.fetchval(statement("read_controls"))
    return paused


async def load_configuration(pool: Database) -> Catalog:
    """One consistent snapshot of all configuration tables."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        targets: dict[tuple[str, UUID | None], list[Target]] = defaultdict(list)
        version = await read_config_version(connection)
        for row in await select_alias_targets(connection):
            targets[row.pop("alias"), row.pop("project_id")].append(Target(**row))
        return Catalog.of(
            version=version,
            providers=await select_providers(connection),
            endpoints=await select_endpoints(connection),
            models=await select_models(connection),
            prices=await select_prices(connection),
            aliases=[
                Alias(**row, targets=tuple(targets[row["alias"], row["project_id"]]))
                for row in await select_aliases(connection)
            ],
            voices=await select_voices(connection),
            projects=await select_projects(connection),
            paused=await read_controls(connection),
        )
