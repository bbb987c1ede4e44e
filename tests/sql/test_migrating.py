import asyncio
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from core.errors import ConfigurationError
from sql import migrating
from sql.describing import describe_schema
from sql.migrating import FORMER_DIGESTS, migrate
from sql.pool import open_pool
from sql.seeding import Seeded, seed

DOCUMENTED = Path(__file__).parents[2] / "docs" / "schema.md"
TABLES = (
    "providers provider_endpoints models model_prices aliases alias_targets voices projects api_keys jobs "
    "idempotency_keys job_parts cache_entries calls cache_hits batches files webhook_endpoints webhook_deliveries "
    "feedback audit_log cron_slots config_version"
).split()


async def test_ten_processes_may_migrate_at_once(empty_database_url: str) -> None:
    program = "import asyncio, sys; from sql.pool import open_pool; from sql.migrating import migrate\n"
    program += (
        "async def main():\n  pool = await open_pool(sys.argv[1], max_size=2)\n  print(len(await migrate(pool)))\n"
    )
    program += "asyncio.run(main())"
    started = [
        subprocess.Popen([sys.executable, "-c", program, empty_database_url], stdout=subprocess.PIPE, text=True)
        for _ in range(10)
    ]
    applied = [(await asyncio.to_thread(one.communicate))[0].strip() for one in started]
    assert sorted(applied) == ["0"] * 9 + [str(len(migrating.read_migrations()))]
    assert [one.returncode for one in started] == [0] * 10


async def test_the_schema_is_the_documented_one(database_url: str) -> None:
    pool = await open_pool(database_url)
    described = await describe_schema(pool)
    await pool.close()
    assert described == DOCUMENTED.read_text(encoding="utf-8"), "run `scripts/document-schema`"
    for table in TABLES:
        assert f"### {table}\n" in described
    assert "### model_aliases\n" in described


async def test_nothing_stands_in_the_public_schema(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    count = await connection.fetchval(
        "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = 'public'"
    )
    await connection.close()
    assert count == 0


async def test_a_changed_migration_is_refused(database_url: str) -> None:
    pool = await open_pool(database_url)
    await pool.execute("UPDATE factory.schema_migrations SET digest = 'other'")
    with pytest.raises(ConfigurationError, match="was changed after it was applied"):
        await migrate(pool)
    await pool.close()


async def test_a_database_with_the_former_0035_comes_to_the_same(database_url: str) -> None:
    pool = await open_pool(database_url)
    settings = "SELECT proconfig FROM pg_proc WHERE proname = 'end_jobs'"
    before = await pool.fetchval(settings)
    await pool.execute("ALTER FUNCTION factory.end_jobs RESET plan_cache_mode")
    await pool.execute("UPDATE factory.schema_migrations SET digest = $1 WHERE version = 35", FORMER_DIGESTS[35])
    await pool.execute("DELETE FROM factory.schema_migrations WHERE version IN (34, 36)")
    assert await migrate(pool) == ["0034_kept_plans", "0036_room_for_starts"]
    assert sorted(await pool.fetchval(settings)) == sorted(before)
    await pool.close()


async def test_the_seed_is_idempotent_and_leaves_alone_what_an_operator_changed(database_url: str) -> None:
    pool = await open_pool(database_url)
    assert await seed(pool) == Seeded(0, 0, 0)
    await pool.execute("UPDATE factory.models SET active = false WHERE model_id = 'gpt-6-luna'")
    await pool.execute(
        "UPDATE factory.models SET capabilities = capabilities || '[\"mine\"]' WHERE model_id = 'gpt-6-sol'"
    )
    await pool.execute("DELETE FROM factory.voices WHERE voice = 'hero'")
    await pool.execute("DELETE FROM factory.aliases WHERE alias = 'cheap'")
    await pool.execute("UPDATE factory.models SET note = 'as seeded once' WHERE model_id = 'gpt-6.1-terra'")
    await pool.execute(
        "UPDATE factory.seeded SET row_values = jsonb_set(row_values, '{note}', '\"as seeded once\"') "
        "WHERE table_name = 'models' AND row_key ->> 'model_id' = 'gpt-6.1-terra' AND row_values ? 'note'"
    )
    await pool.execute("UPDATE factory.seeded SET row_values = '{\"digest\": \"older\"}' WHERE table_name = ''")
    again = await seed(pool)
    assert again.inserted == 0
    assert again.updated <= 1
    row = await pool.fetchrow("SELECT active FROM factory.models WHERE model_id = 'gpt-6-luna'")
    assert row is not None
    assert row["active"] is False
    kept = await pool.fetchval("SELECT capabilities ? 'mine' FROM factory.models WHERE model_id = 'gpt-6-sol'")
    assert kept is True
    assert await pool.fetchval("SELECT count(*) FROM factory.voices WHERE voice = 'hero'") == 0
    assert await pool.fetchval("SELECT count(*) FROM factory.alias_targets WHERE alias = 'cheap'") == 0
    await pool.close()


async def test_the_seed_follows_its_own_changes_where_nobody_else_made_one(database_url: str) -> None:
    pool = await open_pool(database_url)
    await pool.execute("UPDATE factory.aliases SET strategy = 'cheapest' WHERE alias = 'fast'")
    await pool.execute(
        "UPDATE factory.seeded SET row_values = jsonb_set(row_values, '{strategy}', '\"cheapest\"') "
        "WHERE table_name = 'aliases' AND row_key ->> 'alias' = 'fast'"
    )
    await pool.execute("UPDATE factory.seeded SET row_values = '{\"digest\": \"older\"}' WHERE table_name = ''")
    assert (await seed(pool)).updated == 1
    assert await pool.fetchval("SELECT strategy FROM factory.aliases WHERE alias = 'fast'") == "priority"
    await pool.close()
