"""What Postgres refuses, so that no process has to stumble over it; and what it records of the rest."""

from typing import Any

import asyncpg
import pytest

from sql.admin_audit import set_actor
from sql.configuration import load_configuration
from sql.pool import Database, open_pool
from sql.seeding import seed

LUNA = "provider = 'openai' AND model_id = 'gpt-6-luna'"
PRICE = "INSERT INTO factory.model_prices (provider, model_id, valid_from, {}) VALUES ('openai', 'gpt-6-luna', '2027-01-01Z', {})"
ENDPOINT = "INSERT INTO factory.provider_endpoints (provider, handler_function, base_url) VALUES ('openai', 'openai.speech', '{}')"


@pytest.fixture
async def pool(database_url: str) -> Any:
    pool = await open_pool(database_url, max_size=2)
    yield pool
    await pool.close()


@pytest.fixture(scope="module")
async def shared_pool(shared_database_url: str) -> Any:
    pool = await open_pool(shared_database_url, max_size=2)
    yield pool
    await pool.close()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (PRICE.format("input_usd_per_mtok", "-1"), "model_prices_input_usd_per_mtok"),
        (PRICE.format("input_usd_per_mtok", "'NaN'"), "model_prices_input_usd_per_mtok_finite"),
        (PRICE.format("audio_usd_per_mchar", "'Infinity'"), "model_prices_audio_usd_per_mchar_finite"),
        (PRICE.format("threshold_tokens, threshold_input_usd_per_mtok", "1, -1"), "model_prices_threshold_input"),
        (PRICE.format("threshold_input_usd_per_mtok", "1"), "model_prices_threshold_tokens_with_rates"),
        (PRICE.format("batch_discount", "1.5"), "model_prices_batch_discount"),
        (PRICE.format("regional_surcharge", """'{"eu": "much"}'"""), "model_prices_regional_surcharge_factors"),
        (PRICE.format("regional_surcharge", """'{"eu": 0}'"""), "model_prices_regional_surcharge_factors"),
        (PRICE.format("regional_surcharge", """'{"eu": [1]}'"""), "model_prices_regional_surcharge_factors"),
        (PRICE.format("service_tiers", """'{"flex": 0}'"""), "model_prices_service_tiers_factors"),
        (PRICE.format("threshold_cache_write_1h_usd_per_mtok", "1"), "model_prices_threshold_tokens_with_hour"),
        ("UPDATE factory.model_prices SET valid_from = 'infinity' WHERE " + LUNA, "model_prices_valid_from_dated"),
        ("INSERT INTO factory.model_prices SELECT * FROM factory.model_prices WHERE " + LUNA, "model_prices_pkey"),
        (ENDPOINT.format("https://me:secret@x.example/v1"), "provider_endpoints_base_url_bare"),
        (ENDPOINT.format("ftp://x.example"), "provider_endpoints_base_url"),
        ("UPDATE factory.provider_endpoints SET credential = 'env:sk-live-1234'", "provider_endpoints_credential"),
        ("UPDATE factory.provider_endpoints SET handler_function = ' '", "provider_endpoints_handler_function_said"),
        ("UPDATE factory.models SET capabilities = '[{}]' WHERE " + LUNA, "models_capabilities_words"),
        ("UPDATE factory.models SET regions = '[[\"eu\"]]' WHERE " + LUNA, "models_regions_words"),
        ("UPDATE factory.models SET context_window = 0 WHERE " + LUNA, "models_context_window_positive"),
        ("UPDATE factory.models SET retires_on = 'infinity' WHERE " + LUNA, "models_retires_on_dated"),
        ("UPDATE factory.providers SET limits = '{\"concurrency\": -1}'", "providers_limits_numbers"),
        ("UPDATE factory.voices SET provider_voice_id = ''", "voices_provider_voice_id_said"),
        ("INSERT INTO factory.voices (voice, provider) VALUES ('x', 'openai')", "provider_voice_id"),
        ("INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('x', 'openai', 'gone')", "alias_targets"),
        ("UPDATE factory.alias_targets SET weight = -1", "alias_targets_weight_check"),
        ("UPDATE factory.aliases SET strategy = 'cheapest_within', latency_bound_ms = NULL", "aliases_check"),
        ("UPDATE factory.projects SET weight = 0", "projects_weight_check"),
        ("UPDATE factory.projects SET settings = '[]'", "projects_settings_check"),
    ],
)  # fmt: skip
async def test_what_nobody_could_read_is_refused_by_name(shared_pool: Database, change: str, rule: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match=rule):
        await shared_pool.execute(change)


@pytest.mark.parametrize(
    ("project", "scopes"), [(None, "{jobs}"), (None, "{admin,read}"), ("default", "{admin}"), ("default", "{}"), ("default", "{all}")]
)  # fmt: skip
async def test_a_key_has_scopes_of_its_kind(shared_pool: Database, project: str | None, scopes: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match="api_keys_scopes"):
        await shared_pool.execute(
            "INSERT INTO factory.api_keys (key_hash, prefix, project_id, scopes) "
            "VALUES (sha256('x'), 'fk_x', (SELECT id FROM factory.projects WHERE name = $1), $2::text::text[])",
            project,
            scopes,
        )


async def test_a_missing_model_is_named_by_the_database(pool: Database) -> None:
    with pytest.raises(asyncpg.ForeignKeyViolationError) as refused:
        await pool.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('x', 'openai', 'gone')"
        )
    assert "(openai, gone)" in str(refused.value)


async def test_odd_rows_that_are_allowed_can_be_read(pool: Database) -> None:
    await pool.execute('UPDATE factory.projects SET settings = \'{"allowed_models": 3, "region": [], "x": null}\'')
    await pool.execute('UPDATE factory.alias_targets SET parameters = \'{"temperature": {}, "region": 7}\'')
    await pool.execute("UPDATE factory.models SET parameters = '{\"effort\": 3}', kind = 'image' WHERE " + LUNA)
    await pool.execute("UPDATE factory.provider_endpoints SET model_pattern = '! [', handler_function = '?'")
    await pool.execute("UPDATE factory.aliases SET alias = alias || '.renamed'")
    catalog = await load_configuration(pool)
    assert all(alias.targets for alias in catalog.aliases.values()), "a renamed alias takes its targets along"


async def trail(pool: Database) -> list[tuple[str, str, str]]:
    rows = await pool.fetch("SELECT actor, action, subject FROM factory.audit_log ORDER BY id")
    return [(row["actor"], row["action"], row["subject"]) for row in rows]


async def test_the_first_seed_is_not_in_the_trail_and_what_it_changes_later_is(pool: Database) -> None:
    assert await trail(pool) == []
    await pool.execute("UPDATE factory.aliases SET strategy = 'cheapest' WHERE alias = 'fast'")
    await pool.execute(
        "UPDATE factory.seeded SET row_values = jsonb_set(row_values, '{strategy}', '\"cheapest\"') "
        "WHERE table_name = 'aliases' AND row_key ->> 'alias' = 'fast'"
    )
    await pool.execute("UPDATE factory.seeded SET row_values = '{\"digest\": \"older\"}' WHERE table_name = ''")
    await seed(pool)
    assert await trail(pool) == [("factory", "update", "aliases fast"), ("seed", "update", "aliases fast")]


async def test_the_author_is_the_transactions_and_ends_with_it(pool: Database) -> None:
    async with pool.acquire() as connection:
        async with connection.transaction():
            await set_actor(connection, "me")
            await connection.execute("UPDATE factory.models SET active = NOT active WHERE " + LUNA)
        await connection.execute("UPDATE factory.models SET active = NOT active WHERE " + LUNA)
    assert [actor for actor, _, _ in await trail(pool)] == ["me", "factory"]


async def test_what_changes_nothing_is_not_recorded_and_a_cascade_is(pool: Database) -> None:
    await pool.execute("UPDATE factory.models SET active = active")
    assert await trail(pool) == []
    prices = await pool.fetchval("SELECT count(*) FROM factory.model_prices WHERE " + LUNA)
    await pool.execute("DELETE FROM factory.models WHERE " + LUNA)
    recorded = [subject for _, _, subject in await trail(pool)]
    assert "models openai/gpt-6-luna" in recorded
    assert len([one for one in recorded if one.startswith("model_prices ")]) == prices
    assert "alias_targets fast/openai/gpt-6-luna" in recorded
    assert not any(one.startswith("aliases ") for one in recorded), "a revision alone says nothing new"
    await pool.execute("TRUNCATE factory.voices")
    assert (await trail(pool))[-1] == ("factory", "truncate", "voices")


async def test_a_revision_grows_with_the_alias_and_with_its_targets(pool: Database) -> None:
    async def revision() -> int:
        found: int = await pool.fetchval("SELECT revision FROM factory.aliases WHERE alias = 'fast'")
        return found

    first = await revision()
    await pool.execute("UPDATE factory.aliases SET strategy = 'cheapest' WHERE alias = 'fast'")
    second = await revision()
    await pool.execute("UPDATE factory.alias_targets SET weight = 7 WHERE alias = 'fast' AND provider = 'openai'")
    third = await revision()
    await pool.execute("UPDATE factory.aliases SET strategy = 'cheapest' WHERE alias = 'fast'")
    assert first < second < third == await revision()
