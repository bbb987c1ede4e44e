"""Variants compared: what the readout says is what the ledger says, added up once more in Python."""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import httpx
import pytest

from core.ids import new_id
from core.jsonio import load_json_exact
from producer.keys import create_key
from tests.house import Factory
from tests.warm import WarmCommands
from tests.workers.test_promises import own_model

SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}
OVER = ("completed", "failed", "expired")


async def read_out(factory: Factory, alias: str = "trial", **query: str) -> dict[str, Any]:
    answer = await factory.client.get(f"/v1/experiments/{alias}", params=query)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = load_json_exact(answer.content)
    return shown


def near(value: float | Decimal, places: int = 6) -> Any:
    return pytest.approx(Decimal(value), abs=Decimal(2).scaleb(-places))


async def check_against_the_ledger(factory: Factory, shown: dict[str, Any], project: UUID) -> None:
    """Every count and sum of the readout, out of the rows themselves."""
    calls = await factory.execute(
        "SELECT * FROM factory.calls WHERE project_id = $1 AND alias = 'trial' AND variant IS NOT NULL "
        "ORDER BY started_at, id", project,
    )  # fmt: skip
    jobs = {row["id"]: row for row in await factory.execute("SELECT * FROM factory.jobs")}
    words = {row["job_id"]: row for row in await factory.execute("SELECT * FROM factory.feedback")}
    lines: dict[UUID, list[Any]] = {}
    for call in calls:
        lines.setdefault(call["job_id"], []).append(call)
    drawn: dict[str, list[UUID]] = {}
    for job_id, mine in lines.items():
        drawn.setdefault(jobs[job_id]["variant"] or mine[0]["variant"], []).append(job_id)
    assert shown["jobs"] == len(lines)
    assert shown["spent"] == sum((call["cost"] for call in calls if call["cost"] is not None), Decimal(0))
    assert {one["variant"]: one["jobs"] for one in shown["variants"]} == {
        name: len(mine) for name, mine in drawn.items()
    }
    for one in shown["variants"]:
        mine = [jobs[job_id] for job_id in drawn[one["variant"]]]
        own = [call for job in mine for call in lines[job["id"]]]
        done = [job for job in mine if job["state"] == "completed"]
        over = [job for job in mine if job["state"] in OVER]
        assert one["completed"] == len(done)
        assert one["failed"] == len(over) - len(done)
        assert one["running"] == sum(job["state"] in ("queued", "in_progress", "cancelling") for job in mine)
        assert one["calls"] == len(own)
        assert one["cost"]["spent"] == sum((call["cost"] for call in own if call["cost"] is not None), Decimal(0))
        assert one["cost"]["unpriced_calls"] == sum(call["usage"] is not None and call["cost"] is None for call in own)
        unsure = [call["max_cost"] for call in own if call["usage"] is None and call["cost"] is None]
        assert (one["cost"]["uncertain"] or 0) == sum(most for most in unsure if most is not None)
        costs = [job["cost"] for job in done if job["cost"] is not None]
        assert one["cost"]["completed"] == sum(costs, Decimal(0))
        assert one["cost"]["unknown_jobs"] == len(done) - len(costs)
        assert (one["cost_per_job"] is None) == (not costs)
        if costs:
            assert one["cost_per_job"]["value"] == near(sum(costs) / len(costs), 12)
        took = sorted((job["finished_at"] - job["started_at"]).total_seconds() for job in done)
        if took:
            assert one["latency_s"]["mean"]["value"] == near(sum(took) / len(took))
            assert one["latency_s"]["p50"]["value"] == near(took[-(-len(took) // 2) - 1])
            assert one["latency_s"]["p95"]["value"] == near(took[-(-len(took) * 19 // 20) - 1])
            assert one["latency_s"]["p50"]["n"] == len(took)
            others = sum(
                not any(c["outcome"] == "ok" and f"{c['provider']}/{c['model']}" == one["variant"] for c in lines[job["id"]])
                for job in done
            )  # fmt: skip
            assert one["failovers"]["value"] == near(others / len(done))
        if over:
            assert one["failures"]["value"] == near(1 - len(done) / len(over))
        for outcome in ("valid", "mended", "invalid"):
            assert one["schema"][outcome] == sum(call["schema_outcome"] == outcome for call in own)
        asked = [job for job in over if any(call["asked"] for call in lines[job["id"]])]
        assert (one["schema"]["yield"] or {"n": 0})["n"] == len(asked)
        if asked:
            met = sum(job["state"] == "completed" for job in asked)
            assert one["schema"]["yield"]["value"] == near(met / len(asked))
        said = [words[job["id"]] for job in mine if job["id"] in words]
        scores = [word["score"] for word in said if word["score"] is not None]
        assert one["feedback"]["jobs"] == len(said)
        assert (one["feedback"]["score"] or {"n": 0})["n"] == len(scores)
        if scores:
            assert one["feedback"]["score"]["value"] == near(sum(scores) / len(scores))
        labels = [word["label"] for word in said if word["label"] is not None]
        assert one["feedback"]["labels"] == {label: labels.count(label) for label in labels}


async def project_id(factory: Factory, name: str = "nicestory") -> UUID:
    rows = await factory.execute("SELECT id FROM factory.projects WHERE name = $1", name)
    found: UUID = rows[0]["id"]
    return found


async def make_trial(factory: Factory, *targets: tuple[str, str]) -> None:
    await factory.execute(
        "INSERT INTO factory.aliases (alias, strategy, split_by) VALUES ('trial', 'weighted', 'metadata.reader')"
    )
    for provider, model in targets:
        await factory.execute(
            "INSERT INTO factory.alias_targets (alias, provider, model_id) VALUES ('trial', $1, $2)", provider, model
        )
    await factory.settled()


async def test_sixty_jobs_split_by_reader_are_read_out_of_the_ledger(factory: Factory) -> None:
    """One target is well, one always fails over, one is refused its answers."""
    failing, refusing = await own_model(factory, "gpt-6-luna@503"), await own_model(factory, "gpt-6-luna@policy")
    await make_trial(factory, ("google", "gemini-3.5-flash-lite"), ("openai", failing), ("openai", refusing))
    shape = {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}}
    done = await asyncio.gather(
        *(
            factory.job(model="trial", prompt=f"Number {n}.", metadata={"reader": n % 30}, **(shape if n % 3 else {}))
            for n in range(60)
        )
    )
    drawn: dict[int, set[str]] = {}
    for place, job in enumerate(done):
        if job["status"] == "completed":
            drawn.setdefault(job["metadata"]["reader"], set()).add(job["result"]["variant"])
            body = {"score": place % 6 / 5} | ({"label": ("kind", "long")[place % 2]} if place % 4 else {})
            assert (await factory.client.post(f"/v1/jobs/{job['id']}/feedback", json=body)).status_code == 200
    assert {len(variants) for variants in drawn.values()} == {1}
    shown = await read_out(factory)
    await check_against_the_ledger(factory, shown, await project_id(factory))
    variants = {one["variant"]: one for one in shown["variants"]}
    assert set(variants) == {"google/gemini-3.5-flash-lite", f"openai/{failing}", f"openai/{refusing}"}
    assert shown["jobs"] == 60
    assert variants["google/gemini-3.5-flash-lite"]["failovers"]["value"] == 0
    assert variants[f"openai/{failing}"]["failovers"]["value"] == 1
    assert variants[f"openai/{refusing}"]["failures"]["value"] == 1
    assert variants["google/gemini-3.5-flash-lite"]["emulated"] is True
    assert [one["against"] for one in shown["comparisons"]] == [shown["variants"][0]["variant"]] * 2
    usage = load_json_exact((await factory.client.get("/v1/usage")).content)
    assert usage["total_cost"] == shown["spent"]
    for variant, one in variants.items():
        spent = sum((row["cost"] for row in usage["data"] if row["variant"] == variant), Decimal(0))
        assert spent == one["cost"]["spent"]


@pytest.mark.parametrize(("fault", "state"), [("policy", "failed"), ("slow=5", "expired")])
async def test_a_job_that_ends_without_an_answer_keeps_the_variant_that_was_drawn(
    factory: Factory, fault: str, state: str
) -> None:
    failing = await own_model(factory, f"gpt-6-luna@{fault}")
    await make_trial(factory, ("openai", failing))
    job = await factory.job(model="trial", prompt="x", metadata={"reader": 1}, deadline_s=1)
    assert job["status"] == state
    rows = await factory.execute("SELECT variant FROM factory.jobs")
    assert [row["variant"] for row in rows] == [f"openai/{failing}"]


@pytest.mark.parametrize("seed", range(6))
async def test_feedback_and_variants_add_up_whatever_the_rows(factory: Factory, seed: int) -> None:
    draw, now = random.Random(seed), datetime.now(UTC)
    mine = await project_id(factory)
    await create_key(factory.services.database, project="stranger", make_project=True)
    theirs = await project_id(factory, "stranger")
    for _ in range(draw.randint(1, 300)):
        await insert_job(factory, draw, draw.choice([mine, mine, mine, theirs]), now)
    await make_trial(factory)
    shown = await read_out(factory)
    await check_against_the_ledger(factory, shown, mine)
    cut = (now - timedelta(hours=draw.randint(1, 30))).isoformat()
    parts = [await read_out(factory, until=cut), await read_out(factory, since=cut)]
    assert sum(part["jobs"] for part in parts) == shown["jobs"]
    assert sum(part["spent"] for part in parts) == shown["spent"]
    assert (await read_out(factory, since="2099-01-01T00:00:00Z"))["variants"] == []


async def insert_job(factory: Factory, draw: random.Random, owner: UUID, now: datetime) -> None:
    """A job as a worker may leave it, with its lines: retried, drawn anew, unpriced, late, or never called."""
    at = now - timedelta(seconds=draw.randint(1, 30 * 3600))
    job_id = UUID(int=int(at.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)
    alias, state = draw.choice(["trial", "trial", "other"]), draw.choice(
        ["completed"] * 4 + ["failed", "expired", "cancelled", "in_progress", "queued"]
    )  # fmt: skip
    names = [draw.choice(["openai/gpt-6-luna", "google/gemini-3.5-flash-lite"]) for _ in range(draw.choice([1, 1, 2]))]
    costs = [draw.choice([None, Decimal(draw.randint(0, 10**6)) / 10**9]) for _ in range(draw.randint(0, 3))]
    ended = state in ("completed", "failed", "expired", "cancelled")
    took = timedelta(microseconds=draw.randint(1000, 9_000_000))
    variant = names[-1] if state == "completed" and costs else None
    await factory.execute(
        "INSERT INTO factory.jobs (id, project_id, state, kind, priority, request, run_at, variant, provider, model, cost, "
        "created_at, started_at, finished_at) VALUES ($1, $2, $3, 'text', 'standard', $4, $5, $6, 'openai', "
        "'gpt-6-luna-2026-05-01', $7, $5, $5, $8)",
        job_id, owner, state, {"model": alias}, at, variant,
        sum((cost for cost in costs if cost is not None), Decimal(0)) if ended and None not in costs else None,
        at + took if ended else None,
    )  # fmt: skip
    for place, cost in enumerate(costs):
        provider, model = draw.choice(["openai/gpt-6-luna", "google/gemini-3.5-flash-lite"]).split("/")
        last = state == "completed" and place == len(costs) - 1
        await factory.execute(
            "INSERT INTO factory.calls (id, job_id, project_id, kind, alias, attempt, fence, provider, model, variant, "
            "started_at, outcome, usage, cost, max_cost, asked, schema_outcome) VALUES ($1, $2, $3, 'text', $4, $5, 1, "
            "$6, $7, $8, $9, $10, $11, $12, 0.01, $13, $14)",
            new_id(), job_id, owner, alias, place, provider, model, names[min(place, len(names) - 1)],
            at + timedelta(milliseconds=place), "ok" if last else draw.choice(["overloaded", "unknown", None]),
            draw.choice([None, {"total_tokens": 3}]) if cost is None else {"total_tokens": 3}, cost,
            draw.choice([None, "native"]), draw.choice([None, "valid", "mended", "invalid"]),
        )  # fmt: skip
    if state == "completed" and draw.random() < 0.5:
        score, label = Decimal(draw.randint(0, 100)) / 100, draw.choice([None, "good", "bad"])
        await factory.execute(
            "INSERT INTO factory.feedback (id, project_id, job_id, score, label) VALUES ($1, $2, $3, $4, $5)",
            new_id(), owner, job_id, None if label and draw.random() < 0.3 else score, label,
        )  # fmt: skip


async def test_the_command_shows_what_the_api_says(factory: Factory, served: str, warm: WarmCommands) -> None:
    async def command(url: str, key: str, *words: str) -> tuple[int, str, str]:
        """`factory experiments …` over HTTP, as a program."""
        environment = os.environ | {"FACTORY_URL": url, "FACTORY_API_KEY": key}
        done = await asyncio.to_thread(warm.run, ("experiments", *words), factory.settings.home, environment)
        return done.code, done.out, done.err

    await make_trial(factory, ("openai", "gpt-6-luna"), ("google", "gemini-3.5-flash-lite"))
    await asyncio.gather(*(factory.job(model="trial", prompt="x", metadata={"reader": n}) for n in range(12)))
    shown = await read_out(factory, since="2026-01-01T00:00:00Z")
    code, out, err = await command(served, factory.key, "trial", "--since", "2026-01-01", "--json")
    assert (code, load_json_exact(out)) == (0, shown), err
    _, out, _ = await command(served, factory.key, "trial", "--project", "nicestory")
    first, second = (one["variant"] for one in shown["variants"])
    assert out.splitlines()[1].split()[:2] == [first, str(shown["variants"][0]["jobs"])]
    (said,) = (line for line in out.splitlines() if line.startswith("cost per job") and second in line)
    assert "no difference seen" in said
    code, _, err = await command(served, factory.key, "trial", "--project", "stranger")
    assert (code, err) == (2, "error: FACTORY_API_KEY belongs to project 'nicestory', not to 'stranger'\n")
    assert (await command(served, factory.key, "fast"))[1].startswith("no job of fast has drawn a variant")


async def test_an_experiment_shows_the_own_project_alone(factory: Factory) -> None:
    await make_trial(factory, ("openai", "gpt-6-luna"))
    await factory.job(model="trial", prompt="x", metadata={"reader": 1})
    key = await create_key(factory.services.database, project="stranger", make_project=True)
    await factory.execute(
        "INSERT INTO factory.aliases (alias, project_id, strategy) VALUES ('secret', $1, 'weighted')",
        await project_id(factory),
    )
    await factory.settled()
    async with httpx.AsyncClient(
        transport=factory.client._transport, base_url="http://factory", headers={"x-api-key": key}
    ) as stranger:
        theirs = (await stranger.get("/v1/experiments/trial")).json()
        assert (theirs["project"], theirs["jobs"], theirs["spent"], theirs["variants"]) == ("stranger", 0, 0, [])
        secret = await stranger.get("/v1/experiments/secret")
        nothing = await stranger.get("/v1/experiments/secreT")
        assert (secret.status_code, nothing.status_code) == (404, 404)
        assert secret.json()["detail"].replace("secret", "secreT") == nothing.json()["detail"]
    assert (await read_out(factory, "secret"))["variants"] == []
    assert (await read_out(factory))["jobs"] == 1


@pytest.mark.parametrize(
    ("path", "status", "field"),
    [
        ("trial?since=yesterday", 400, "since"), ("trial?until=2026-11-01T00:00:00", 400, "until"), ("nobody", 404, None),
        ("%00", 400, "the path"), ("a%20b", 404, None), ("x" * 300, 404, None), ("fast?since=0001-01-01T00:00:00%2B14:00", 200, None),
        ("fast?until=9999-12-31T23:59:59-14:00", 200, None), ("fast?since=1960-01-01T00:00:00Z", 200, None),
    ],
)  # fmt: skip
async def test_bad_questions_are_refused(shared: Factory, path: str, status: int, field: str | None) -> None:
    answer = await shared.client.get(f"/v1/experiments/{path}")
    assert answer.status_code == status, answer.text
    if field:
        assert answer.json()["problems"][0]["field"] == field
