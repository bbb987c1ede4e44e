"""The running system behind a transaction-mode pooler, where two statements in a row may meet two sessions."""

import asyncio
import json
import re
import statistics
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest

from core.settings import Settings, child_environment, python_program
from producer.embedded import Running
from sql.migrating import migrate, read_migrations
from sql.pool import is_pooled, open_pool
from sql.seeding import seed
from sql.statements import QUERIES
from tests.fleet.pgbouncer import HOW_TO_INSTALL, SERVER_SESSIONS, PgBouncer, find_pgbouncer, running_pgbouncer
from tests.house import Factory

SESSION_STATE = re.compile(
    r"\b(LISTEN|UNLISTEN|PREPARE|DEALLOCATE|CURSOR|TEMP|TEMPORARY|DISCARD|LOAD)\b"
    r"|^\s*SET\s|pg_(try_)?advisory_lock|pg_advisory_unlock|set_config(?!\([^()]*, true\))|currval|lastval|pg_temp",
    re.IGNORECASE | re.MULTILINE,
)
FILES = sorted([*QUERIES.glob("*.sql"), *QUERIES.parent.glob("migrations/*.sql")])


@pytest.fixture(scope="module")
def pooler(servers: Running) -> Iterator[PgBouncer]:
    if find_pgbouncer() is None:
        pytest.skip(HOW_TO_INSTALL)
    with running_pgbouncer(servers.database_url) as running:
        yield running


@pytest.fixture
def settings(settings: Settings, pooler: PgBouncer) -> Settings:
    """The whole factory of a test goes through the pooler: API, worker and a test's own SQL."""
    through = pooler.url_for(settings.database_url or "")
    return settings.model_copy(update={"database_url": through, "database_statement_cache": False})


def pool_of(pooler: PgBouncer, database_url: str) -> dict[str, str]:
    name = database_url.rpartition("/")[2]
    return next(row for row in pooler.show("POOLS") if row["database"] == name)


def transactions_of(pooler: PgBouncer, database_url: str) -> int:
    name = database_url.rpartition("/")[2]
    return int(next(row for row in pooler.show("STATS") if row["database"] == name)["total_xact_count"])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_statement_needs_its_session(path: Any) -> None:
    text = re.sub(r"--.*", "", path.read_text(encoding="utf-8"))
    found = SESSION_STATE.search(text)
    assert found is None, (
        f"{path.name} has {found[0] if found else ''}: a pooler gives the next statement another session"
    )


async def test_fifty_jobs_at_once_share_three_sessions(factory: Factory, pooler: PgBouncer) -> None:
    asked = [
        {"model": "fast", "prompt": f"Line {number}"}
        if number % 5
        else {"kind": "speech", "model": "narrator", "input": f"The lamp was lit, {number} times.", "format": "mp3"}
        for number in range(50)
    ]
    jobs = await asyncio.gather(*(factory.job(**one) for one in asked))
    assert {job["status"] for job in jobs} == {"completed"}, [job["error"] for job in jobs]
    assert all(job["cost"] > 0 for job in jobs)
    shared = pool_of(pooler, factory.settings.database_url or "")
    assert shared["pool_mode"] == "transaction"
    clients = int(shared["cl_active"]) + int(shared["cl_waiting"])
    sessions = sum(int(shared[name]) for name in ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login"))
    assert clients > SERVER_SESSIONS >= sessions > 0
    assert transactions_of(pooler, factory.settings.database_url or "") > 5 * len(jobs)


async def test_a_narration_is_kept_whole(factory: Factory) -> None:
    job = await factory.job(kind="speech", model="narrator", input="The lamp was lit. " * 20, format="wav")
    assert job["status"] == "completed", job["error"]
    audio = await factory.client.get(job["urls"]["audio"])
    assert (audio.status_code, audio.content[:4]) == (200, b"RIFF")


async def test_a_batch_keeps_its_order_and_tells_its_events(factory: Factory) -> None:
    jobs = [
        {"key": "outline", "model": "fast", "prompt": "An outline"},
        {"key": "chapter", "after": ["outline"], "model": "fast", "prompt": "Write {{outline.content}}"},
        {"key": "spoken", "after": ["chapter"], "kind": "speech", "model": "narrator", "input": "{{chapter.content}}"},
    ]
    made = (await factory.client.post("/v1/job-batches", json={"jobs": jobs})).json()
    told = await events(factory, made["urls"]["events"])
    assert told[-1]["type"] == "batch.completed"
    assert told[-1]["data"]["counts"]["completed"] == 3
    lines = (await factory.client.get(made["urls"]["results"])).text.splitlines()
    found = {job["key"]: job for job in map(json.loads, lines)}
    assert found["outline"]["finished_at"] <= found["chapter"]["started_at"]
    assert found["chapter"]["finished_at"] <= found["spoken"]["started_at"]
    seen = await events(factory, found["spoken"]["urls"]["events"])
    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["type"] == "job.completed"


async def events(factory: Factory, path: str) -> list[dict[str, Any]]:
    """Everything a subscriber hears until the stream ends."""
    text = (await factory.client.get(path)).text
    return [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: {")]


async def test_an_alias_changed_by_sql_is_in_force_within_a_second(factory: Factory) -> None:
    waits_s = []
    for model in ("gpt-6-luna", "gpt-6.2-sol", "gpt-6-luna"):
        await factory.execute("DELETE FROM factory.alias_targets WHERE alias = 'mine'")
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('mine', 'openai', $1)", model
        )
        changed = time.monotonic()
        await factory.settled()
        waits_s.append(time.monotonic() - changed)
        job = await factory.job(model="mine", prompt="Who are you")
        assert job["result"]["model"] == model
    assert statistics.median(waits_s) < 1.0


async def test_many_may_migrate_through_the_pooler(empty_database_url: str, pooler: PgBouncer) -> None:
    """The lock is the transaction's, so no direct URL is needed; and a session's time zone decides nothing."""
    await set_time_zone(empty_database_url, "Asia/Tokyo")
    through = pooler.url_for(empty_database_url)
    environment = child_environment(FACTORY_DATABASE_URL=through, FACTORY_DATABASE_STATEMENT_CACHE="false")
    command = python_program("producer.cli", "migrate")
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [(await asyncio.to_thread(one.communicate))[0] for one in started]
    assert [one.returncode for one in started] == [0, 0, 0], said
    names = [f"{migration.version:04d}_{migration.name}" for migration in read_migrations()]
    assert [sum(name in text for text in said) for name in names] == [1] * len(names)
    pool = await open_pool(through, statement_cache=False)
    assert await pool.fetchval("SELECT current_setting('timezone')") == "Asia/Tokyo"
    assert await migrate(pool) == []
    again = await seed(pool)
    assert (again.inserted, again.updated, again.kept) == (0, 0, 0)
    await pool.close()


async def set_time_zone(database_url: str, zone: str) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.execute(f"ALTER DATABASE {database_url.rpartition('/')[2]} SET timezone = '{zone}'")
    await connection.close()


async def test_a_pooler_is_found_out_without_a_setting(database_url: str, pooler: PgBouncer) -> None:
    through = pooler.url_for(database_url)
    assert [await is_pooled(url) for url in (database_url, through)] == [False, True]
    pool = await open_pool(through, max_size=2 * SERVER_SESSIONS)
    found = await asyncio.gather(*(pool.fetchval("SELECT $1::int", number) for number in range(100)))
    assert found == list(range(100))
    await pool.close()
