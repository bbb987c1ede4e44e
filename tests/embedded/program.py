"""A program that uses the embedded servers until its standard input closes: `program.py ROOT [SQL]`."""

import asyncio
import sys
from pathlib import Path

import asyncpg

from producer.embedded import EmbeddedServers


async def ask(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


with EmbeddedServers(Path(sys.argv[1]), log=lambda text: None) as running:
    answer = asyncio.run(ask(running.database_url, sys.argv[2])) if len(sys.argv) > 2 else ""
    print(running.database_url, running.redis_url, answer, sep="\t", flush=True)
    sys.stdin.read()
