"""`factory catalog`: prices held against a list, differences taken over, and what calls cost before and after."""

from decimal import Decimal
from typing import Any

from core.settings import Settings
from sql.seeding import seed
from tests.cli.test_jobs import Command, run
from tests.house import Factory

__all__ = ["run"]
LUNA = "openai/gpt-6-luna"


def by_hand(job: dict[str, Any], rate: str, output: str) -> Decimal:
    used = job["result"]["usage"]
    return (used["prompt_tokens"] * Decimal(rate) + used["completion_tokens"] * Decimal(output)) / 1_000_000


async def costs(factory: Factory, *jobs: dict[str, Any]) -> list[Decimal | None]:
    statement = "SELECT job_id::text, cost FROM factory.calls WHERE outcome = 'ok'"
    found = {row["job_id"]: row["cost"] for row in await factory.execute(statement)}
    return [found[job["id"]] for job in jobs]


async def test_differences_are_shown_and_taken_over_as_new_rows(
    factory: Factory, run: Command, settings: Settings
) -> None:
    assert (await run("catalog")).out == (await run("catalog", "models")).out
    same = await run("catalog", "check", "--all")
    assert (same.code, same.out) == (0, ""), same.out
    assert "no difference in 92 models that genai-prices" in same.err

    await factory.execute(
        "UPDATE factory.model_prices SET input_usd_per_mtok = 3, output_usd_per_mtok = 0.4,"
        ' service_tiers = \'{"flex": 0.5, "house": 0.1}\', regional_surcharge = \'{"eu": 1.3}\''
        " WHERE model_id = 'gpt-6-luna'"
    )
    await factory.settled()
    before = await factory.job(model="gpt-6-luna", prompt="Before", cache="off")
    checked = await run("catalog", "check", "--json")
    assert checked.code == 1
    assert [(one["unit"], one["ours"], one["theirs"]) for one in checked.json["differences"]] == [
        ("input_usd_per_mtok", 3, Decimal("0.1")),
        ("output_usd_per_mtok", Decimal("0.4"), Decimal("0.5")),
        ("service_tiers.priority", None, 2),
        ("service_tiers.fast", None, 2),
    ]
    assert checked.json["differences"][1]["ratio"] == Decimal("1.25")
    assert "google/gemini-4-carbon" in checked.json["unknown"]
    assert (await run("catalog", "check", "--model", "gpt-6-sol")).code == 0

    dry = await run("catalog", "update", "--dry-run")
    assert (dry.code, '"input_usd_per_mtok": 0.1' in dry.out) == (0, True)
    none = await run("catalog", "update", stdin=b"no\nnone\n")
    assert (none.code, "new prices" in none.out) == (0, False)
    assert len(await factory.execute("SELECT 1 FROM factory.model_prices WHERE model_id = 'gpt-6-luna'")) == 1
    taken = await run("catalog", "update", "--model", LUNA, stdin=b"yes\nno\nall\n")
    assert (taken.code, f"{LUNA}: new prices from" in taken.out) == (0, True), taken.err

    old, new = await factory.execute(
        "SELECT * FROM factory.model_prices WHERE model_id = 'gpt-6-luna' ORDER BY valid_from"
    )
    changed = {name for name, value in new.items() if value != old[name]}
    assert changed == {"valid_from", "input_usd_per_mtok", "service_tiers", "source"}
    assert (old["input_usd_per_mtok"], new["input_usd_per_mtok"]) == (3, Decimal("0.1"))
    tiers = {name: float(factor) for name, factor in new["service_tiers"].items()}
    assert tiers == {"flex": 0.5, "house": 0.1, "priority": 2, "fast": 2}
    trail = await factory.execute(
        "SELECT actor, action FROM factory.audit_log WHERE subject LIKE 'model_prices%luna%' ORDER BY id"
    )
    assert trail[-1]["action"] == "insert"
    assert trail[-1]["actor"].startswith("cli ")

    await factory.settled()
    after = await factory.job(model="gpt-6-luna", prompt="After", cache="off")
    assert await costs(factory, before, after) == [by_hand(before, "3", "0.4"), by_hand(after, "0.1", "0.4")]

    await factory.execute("DELETE FROM factory.seeded WHERE table_name = ''")
    await seed(factory.services.database)
    again = await factory.execute(
        "SELECT * FROM factory.model_prices WHERE model_id = 'gpt-6-luna' ORDER BY valid_from"
    )
    assert [dict(one) for one in again] == [dict(old), dict(new)], "a later migrate leaves operators' rows alone"


async def test_prices_may_start_later_and_what_cannot_be_is_refused(factory: Factory, run: Command) -> None:
    await factory.execute("UPDATE factory.model_prices SET output_usd_per_mtok = 9 WHERE model_id = 'gpt-6-sol'")
    later = await run("catalog", "update", "--yes", "--valid-from", "2999-01-01")
    assert (later.code, later.out.strip().splitlines()[-1]) == (
        0, "openai/gpt-6-sol: new prices from 2999-01-01T00:00:00+00:00",
    )  # fmt: skip
    assert (await run("catalog", "check")).code == 1, "they are not in force yet"
    for words, said in (
        (("update", "--yes", "--valid-from", "2020-01-01"), "prices start now or later"),
        (("update", "--yes", "--valid-from", "tomorrow"), "is no time"),
        (("check", "--model", "nonesuch"), "there is no model 'nonesuch'"),
        (("update", "--model", "nonesuch"), "there is no model 'nonesuch'"),
        (("nonesuch",), "nonesuch"),
    ):
        refused = await run("catalog", *words)
        assert (refused.code, said in refused.err) == (2, True), refused.err
    assert (await run("catalog", "update")).code == 1, "nobody is there to be asked"


async def test_what_a_tier_costs_is_in_the_ledger_with_its_name(factory: Factory) -> None:
    plain = await factory.job(model="gpt-6-luna", prompt="A tier", cache="off")
    tiers = ("flex", "priority", "scale")
    ordered = [
        await factory.job(
            model="gpt-6-luna", prompt="A tier", cache="off", provider_options={"openai": {"service_tier": tier}}
        )
        for tier in tiers
    ]
    usual = by_hand(plain, "0.1", "0.5")
    assert await costs(factory, plain, *ordered) == [usual, usual / 2, usual * 2, None]
    assert [one["result"]["usage"].get("service_tier") for one in (plain, *ordered)] == [None, *tiers]
    assert ordered[-1]["cost"] is None
    bounded = {"requirements": {"max_cost_usd": 1}, "provider_options": {"openai": {"service_tier": "scale"}}}
    refused = await factory.client.post("/v1/jobs", json={"model": "gpt-6-luna", "prompt": "x", **bounded})
    assert (refused.status_code, "no known price, and max_cost_usd" in refused.text) == (400, True), refused.text
