"""Usage: what the report says is what the ledger says, added up once more in Python, to the last digit."""

import csv
import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from core.ids import new_id
from core.jsonio import load_json_exact
from core.result import Usage
from producer import usage
from producer.keys import create_key
from producer.usage import BUCKETS, DIMENSIONS, FIGURES, UsageQuery, read_usage
from sql.usage import plan_report
from tests.house import Factory

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CALL = (
    "INSERT INTO factory.calls (id, job_id, project_id, batch_id, kind, alias, attempt, fence, provider, model, variant, "
    "started_at, outcome, usage, cost, max_cost, preferred_cost) "
    "VALUES ($1, $2, $3, $4, $5, $6, 1, 1, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
)
HIT = (
    "INSERT INTO factory.cache_hits (id, job_id, project_id, batch_id, kind, alias, provider, model, variant, at, "
    "saved_usd, preferred_cost) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
)
Row = dict[str, Any]


async def report(factory: Factory, **query: str) -> dict[str, Any]:
    answer = await factory.client.get("/v1/usage", params=query)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = load_json_exact(answer.content)
    return shown


async def projects(factory: Factory) -> dict[UUID, str]:
    await create_key(factory.services.database, project="another", make_project=True)
    rows = await factory.execute("SELECT id, name FROM factory.projects WHERE name IN ('nicestory', 'another')")
    return {row["id"]: row["name"] for row in rows}


def money(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(10**12)).scaleb(-chance.randrange(9, 15))


def place(chance: random.Random, owners: Sequence[UUID], batches: Sequence[UUID]) -> tuple[Any, ...]:
    """What calls and hits have in common: id, job, project, batch, kind, alias, provider, model, variant, time."""
    kind = chance.choice(["text", "speech", "embedding"])
    provider, model = chance.choice([("openai", "a"), ("openai", "b"), ("google", "a"), ("Google", "c")])
    variant = chance.choice([None, None, "openai/a"])
    at = NOW - timedelta(seconds=chance.randrange(3 * 86_400))
    names = (kind, chance.choice(["fast", "smart"]), provider, model, variant)
    return (uuid4(), new_id(), chance.choice(owners), chance.choice([None, *batches]), *names, at)


def make_call(chance: random.Random, common: tuple[Any, ...]) -> tuple[Any, ...]:
    """A line as the workers leave them: answered, refused, billed for nothing, timed out, lost, or under way."""
    (*names, at), priced = common, chance.random() < 0.9
    outcome = chance.choice(["ok", "ok", "ok", "overloaded", "invalid_response", "timeout", "unknown", None])
    billed = outcome in ("ok", "invalid_response")
    amounts = {name: chance.randrange(1000) for name in chance.sample(BUCKETS, 4)}
    usage = Usage(**amounts).as_dict() if billed else None
    cost = money(chance) if billed and priced else Decimal(0) if outcome == "overloaded" else None
    direct = money(chance) if outcome == "ok" and chance.random() < 0.9 else None
    return (*names, at, outcome, usage, cost, money(chance) if priced else None, direct)


async def fill(factory: Factory, chance: random.Random, owners: Sequence[UUID], batches: Sequence[UUID]) -> None:
    calls = [make_call(chance, place(chance, owners, batches)) for _ in range(400)]
    hits = [
        (*place(chance, owners, batches), *(money(chance) if chance.random() < 0.9 else None for _ in range(2)))
        for _ in range(150)
    ]
    async with factory.services.database.acquire() as connection:
        await connection.executemany(CALL, calls)
        await connection.executemany(HIT, hits)


def add_up(rows: Sequence[Row]) -> Row:
    """The figures of a group, naively."""
    calls, hits = [one for one in rows if "outcome" in one], [one for one in rows if "outcome" not in one]
    answered = [one["preferred_cost"] for one in (*(one for one in calls if one["outcome"] == "ok"), *hits)]
    unpriced = sum(one["usage"] is not None and one["cost"] is None for one in calls)
    unsure = [one["max_cost"] for one in calls if one["usage"] is None and one["cost"] is None]
    saved = [one["saved_usd"] for one in hits]
    with localcontext(prec=60):
        cost = sum((one["cost"] for one in calls if one["cost"] is not None), Decimal(0))
        direct = None if None in answered else sum(answered, Decimal(0))
        counted = {
            "calls": len(calls),
            "ok": sum(one["outcome"] == "ok" for one in calls),
            "failed": sum(one["outcome"] not in ("ok", "unknown", None) for one in calls),
            "unknown": sum(one["outcome"] == "unknown" for one in calls),
            **{name: sum((one["usage"] or {}).get(name, 0) for one in calls) for name in BUCKETS},
            "cost": None if unpriced else cost,
            "unpriced_calls": unpriced,
            "uncertain_cost": None if None in unsure else sum(unsure, Decimal(0)),
            "cache_hits": len(hits),
            "saved_usd": None if None in saved else sum(saved, Decimal(0)),
            "unpriced_hits": saved.count(None),
            "direct_cost": direct,
            "without_direct_cost": answered.count(None),
            "saving": None if unpriced or not direct else round(1 - cost / direct, 6),
            "emulated": False,
        }
    assert tuple(counted) == FIGURES
    return counted


def grouped(rows: Sequence[Row], by: Sequence[str]) -> list[Row]:
    """Groups in order, null last."""
    found: dict[tuple[str | None, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in by), []).append(row)
    order = sorted(found, key=lambda key: [(one is None, one or "") for one in key])
    return [dict(zip(by, key, strict=True)) | add_up(found[key]) for key in order]


async def ledger(factory: Factory, owners: dict[UUID, str]) -> list[Row]:
    rows = []
    for table, time in (("calls", "started_at"), ("cache_hits", "at")):
        for record in await factory.execute(f"SELECT * FROM factory.{table}"):
            row = dict(record)
            at = row[time]
            rows.append(row | {"project": owners[row["project_id"]], "day": at.date().isoformat(), "at": at})
    return rows


@pytest.mark.parametrize("seed", range(3))
async def test_every_report_is_the_ledger_added_up_to_the_last_digit(factory: Factory, seed: int) -> None:
    chance, owners, batches = random.Random(seed), await projects(factory), [uuid4(), uuid4()]
    await fill(factory, chance, list(owners), batches)
    rows = await ledger(factory, owners)
    mine = [row for row in rows if row["project"] == "nicestory"]
    since, until = NOW - timedelta(hours=50), NOW - timedelta(hours=9)
    narrowed: dict[str, tuple[dict[str, str], Any]] = {
        "all": ({}, lambda row: True),
        "time": (
            {"since": since.isoformat(), "until": until.isoformat()},
            lambda row: since <= row["at"] < until,
        ),
        "batch": ({"batch_id": str(batches[0])}, lambda row: row["batch_id"] == batches[0]),
        "names": (
            {"alias": "fast", "kind": "speech", "provider": "openai"},
            lambda row: (row["alias"], row["kind"], row["provider"]) == ("fast", "speech", "openai"),
        ),
        "model": ({"model": "a"}, lambda row: row["model"] == "a"),
        "named": ({"model": "google/a"}, lambda row: (row["provider"], row["model"]) == ("google", "a")),
    }
    for query, wanted in narrowed.values():
        by = chance.sample(DIMENSIONS, chance.randrange(1, len(DIMENSIONS) + 1))
        chosen = [row for row in mine if wanted(row)]
        shown = await report(factory, by=",".join(by), **query)
        assert shown["by"] == by
        assert shown["data"] == grouped(chosen, by)
        assert shown["totals"] == add_up(chosen)
        assert shown["total_cost"] == shown["totals"]["cost"]
    everybody = await read_usage(factory.services.database, UsageQuery(("project",), None, None))
    assert load_json_exact(b"".join(everybody.as_json()))["data"] == grouped(rows, ["project"])


async def test_csv_says_what_json_says(factory: Factory) -> None:
    owners = await projects(factory)
    await fill(factory, random.Random(7), list(owners), [])
    shown = await report(factory, by="variant,model")
    asked = [
        {"params": {"by": "variant,model", "format": "csv"}},
        {"params": {"by": "variant,model"}, "headers": {"Accept": "text/csv"}},
    ]
    for how in asked:
        answer = await factory.client.get("/v1/usage", **how)  # type: ignore[arg-type]
        assert answer.headers["content-type"].startswith("text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.text)))
        assert list(lines[0]) == ["variant", "model", *FIGURES]
        for line, row in zip(lines, shown["data"], strict=True):
            for name, text in line.items():
                match row[name]:
                    case None:
                        assert text == ""
                    case bool() as truth:
                        assert text == str(truth).lower()
                    case str() as word:
                        assert text == word
                    case number:
                        assert Decimal(text) == number
                        assert "E" not in text


async def test_a_lost_call_is_uncertain_until_its_late_end_and_then_costs_what_it_cost(factory: Factory) -> None:
    await factory.job(model="fast", prompt="x")
    before = (await report(factory))["totals"]
    lost = "UPDATE factory.calls SET outcome = 'unknown', usage = NULL, cost = NULL, preferred_cost = NULL"
    line = (await factory.execute("SELECT * FROM factory.calls"))[0]
    await factory.execute(lost)
    during = (await report(factory))["totals"]
    assert (during["unknown"], during["cost"], during["direct_cost"]) == (1, 0, 0)
    assert during["uncertain_cost"] == line["max_cost"]
    await factory.execute(
        "UPDATE factory.calls SET outcome = 'ok', usage = $1, cost = $2, preferred_cost = $3",
        line["usage"], line["cost"], line["preferred_cost"],
    )  # fmt: skip
    assert (await report(factory))["totals"] == before


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"by": "model,colour"}, "'colour' is none of project, alias"),
        ({"by": "model,,day"}, "'' is none of"),
        ({"by": "day,day"}, "day is there twice"),
        ({"since": "yesterday"}, "a time such as"),
        ({"since": "2026-11-01T00:00:00"}, "needs a zone"),
        ({"kind": "poetry"}, "kind"),
        ({"format": "xml"}, "format"),
        ({"model": "a\0b"}, "NUL"),
        ({"alias": "\0"}, "NUL"),
    ],
)
async def test_what_cannot_be_reported_is_refused_by_its_field(
    shared: Factory, query: dict[str, str], words: str
) -> None:
    answer = await shared.client.get("/v1/usage", params=query)
    assert answer.status_code in (400, 422), answer.text
    assert words in answer.text


async def test_more_groups_than_anybody_can_read_are_refused(factory: Factory, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 2 * usage.PIECE_ROWS
    monkeypatch.setattr(usage, "MOST_ROWS", most)
    owner = (await factory.execute("SELECT id FROM factory.projects WHERE name = 'nicestory'"))[0]["id"]
    await factory.execute(
        "INSERT INTO factory.calls (id, job_id, project_id, kind, alias, attempt, fence, provider, model, started_at) "
        "SELECT gen_random_uuid(), gen_random_uuid(), $1, 'text', 'n' || n, 1, 1, 'openai', 'm', $3 "
        "FROM generate_series(0, $2::integer) AS n", owner, most, NOW,
    )  # fmt: skip
    answer = await factory.client.get("/v1/usage", params={"by": "alias"})
    assert (answer.status_code, "more than 1,000 groups" in answer.text) == (400, True)
    assert (await report(factory, by="model"))["totals"]["calls"] == most + 1
    await factory.execute("DELETE FROM factory.calls WHERE alias = 'n0'")
    assert len((await report(factory, by="alias"))["data"]) == most


async def test_a_report_leaves_no_setting_behind_in_a_session_that_others_use_next(factory: Factory) -> None:
    async with factory.services.database.acquire() as connection:
        read = "SELECT current_setting('plan_cache_mode'), current_setting('work_mem')"
        before = await connection.fetchrow(read)
        async with connection.transaction(readonly=True):
            await plan_report(connection)
            assert await connection.fetchrow(read) != before
        assert await connection.fetchrow(read) == before


async def test_an_operator_sees_every_project_and_nobody_else_does(factory: Factory) -> None:
    owners = await projects(factory)
    await fill(factory, random.Random(11), list(owners), [])
    rows = await ledger(factory, owners)
    async with httpx.AsyncClient(
        transport=factory.client._transport,
        base_url="http://factory",
        headers={"x-api-key": await factory.operator_key()},
    ) as operator:
        shown = load_json_exact((await operator.get("/v1/admin/usage", params={"by": "project"})).content)
        assert shown["data"] == grouped(rows, ["project"])
        assert shown["project"] is None
        usual = (await operator.get("/v1/admin/usage")).json()
        assert usual["by"] == ["project", "day", "provider", "model", "variant", "kind"]
        one = load_json_exact((await operator.get("/v1/admin/usage", params={"by": "", "project": "another"})).content)
        assert one["data"] == [add_up([row for row in rows if row["project"] == "another"])]
        assert (await operator.get("/v1/admin/usage", params={"project": "nobody"})).status_code == 404
        assert (await operator.get("/v1/usage")).status_code == 403
    assert (await factory.client.get("/v1/admin/usage")).status_code == 403
