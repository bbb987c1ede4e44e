"""Statements live in `queries/`, one per file; here they are read, once."""

from functools import cache
from pathlib import Path
from typing import Any, Protocol

import asyncpg

QUERIES = Path(__file__).parent / "queries"


class Executor(Protocol):
    """What runs a statement: a pool, or a connection with its transaction."""

    async def fetch(self, query: str, *args: Any) -> list["asyncpg.Record"]: ...
    async def fetchrow(self, query: str, *args: Any) -> "asyncpg.Record | None": ...
    async def fetchval(self, query: str, *args: Any) -> Any: ...
    async def execute(self, query: str, *args: Any) -> str: ...


@cache
def statement(name: str) -> str:
    """The text of `queries/NAME.sql`."""
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")
