"""Forward-only migrations, safe when many processes start at once, and the seed after them."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from core.errors import ConfigurationError
from sql.pool import Database
from sql.statements import Executor, statement

MIGRATIONS = Path(__file__).parent / "migrations"
# It gave `end_jobs` one setting less, which 0034 gives to whoever has applied it so.
FORMER_DIGESTS = {35: "beaed60811a2309d"}


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    version: int
    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


def read_migrations() -> list[Migration]:
    """The files `NNNN_name.sql` in order."""
    found = []
    for path in sorted(MIGRATIONS.glob("*.sql")):
        match = re.fullmatch(r"(\d{4})_(\w+)\.sql", path.name)
        if match is None:
            raise ConfigurationError(f"{path.name} is not named NNNN_name.sql")
        found.append(Migration(int(match[1]), match[2], path.read_text(encoding="utf-8")))
    return found


async def lock_migrations(db: Executor) -> None:
    """Hold every other migrating process off until this transaction ends."""
    await db.execute(statement("lock_migrations"))


async def create_schema(db: Executor) -> None:
    await db.execute(statement("create_schema"))


async def create_migrations_table(db: Executor) -> None:
    await db.execute(statement("create_migrations_table"))


async def select_migrations(db: Executor) -> list[AppliedMigration]:
    return [AppliedMigration(**row) for row in await db.fetch(statement("select_migrations"))]


async def insert_migration(db: Executor, version: int, name: str, digest: str) -> None:
    await db.execute(statement("insert_migration"), version, name, digest)


async def migrate(pool: Database) -> list[str]:
    """Apply what is missing, in one transaction under a lock; returns the names of what was applied."""
    async with pool.acquire() as connection, connection.transaction():
        await lock_migrations(connection)
        await create_schema(connection)
        await create_migrations_table(connection)
        applied = {row.version: row for row in await select_migrations(connection)}
        done = []
        for migration in read_migrations():
            known = applied.get(migration.version)
            if known is None:
                await connection.execute(migration.text)
                await insert_migration(connection, migration.version, migration.name, migration.digest)
                done.append(f"{migration.version:04d}_{migration.name}")
            elif known.digest not in (migration.digest, FORMER_DIGESTS.get(migration.version)):
                raise ConfigurationError(
                    f"Migration {migration.version:04d}_{migration.name} was changed after it was applied. "
                    "Migrations only go forward: put the change into a new file."
                )
        return done
