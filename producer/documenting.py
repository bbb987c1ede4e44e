"""`python -m producer.documenting FILE`: the schema page, from a database made for it."""

import asyncio
import sys
import tempfile
from pathlib import Path

from producer.embedded import EmbeddedServers
from sql.describing import describe_schema
from sql.migrating import migrate
from sql.pool import open_pool


async def write_schema(database_url: str, target: Path) -> None:
    """Migrate, describe, write."""
    pool = await open_pool(database_url)
    await migrate(pool)
    text = await describe_schema(pool)
    await pool.close()
    await asyncio.to_thread(target.write_text, text, encoding="utf-8")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, EmbeddedServers(Path(folder), valkey=False) as running:
        asyncio.run(write_schema(running.database_url, Path(sys.argv[1])))
