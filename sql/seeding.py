"""Writes the catalog that the factory ships, and never over what an operator changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sql.admin_audit import set_actor
from sql.catalog import catalog_digest, load_catalog
from sql.migrating import lock_migrations
from sql.pool import Database
from sql.statements import Executor, statement

KEYS = {
    "providers": ["id"],
    "provider_endpoints": ["id"],
    "models": ["provider", "model_id"],
    "model_prices": ["provider", "model_id", "valid_from"],
    "aliases": ["alias", "project_id"],
    "alias_targets": ["alias", "project_id", "provider", "model_id"],
    "voices": ["voice", "provider"],
}


@dataclass(frozen=True, slots=True)
class Seeded:
    """How many rows were new, followed the seed, or stayed as they are."""

    inserted: int
    updated: int
    kept: int


async def seed_table(db: Executor, table: str, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> Seeded:
    row = await db.fetchrow(statement("seed_table"), table, list(keys), list(rows))
    assert row is not None
    return Seeded(**row)


async def read_seed_digest(db: Executor) -> str | None:
    digest: str | None = await db.fetchval(statement("read_seed_digest"))
    return digest


async def write_seed_digest(db: Executor, digest: str) -> None:
    await db.execute(statement("write_seed_digest"), digest)


async def seed(pool: Database) -> Seeded:
    """Bring the catalog up to the shipped one, in one transaction. Does nothing when it was this one already."""
    digest = catalog_digest()
    async with pool.acquire() as connection, connection.transaction():
        await lock_migrations(connection)
        if await read_seed_digest(connection) == digest:
            return Seeded(0, 0, 0)
        await set_actor(connection, "seed")
        catalog = load_catalog()
        totals = Seeded(0, 0, 0)
        for table, keys in KEYS.items():
            rows = getattr(catalog, table)
            if "project_id" in keys:
                rows = [{**row, "project_id": None} for row in rows]
            one = await seed_table(connection, table, keys, rows)
            totals = Seeded(totals.inserted + one.inserted, totals.updated + one.updated, totals.kept + one.kept)
        await write_seed_digest(connection, digest)
        return totals
