"""`python -m tests.storm.run --jobs N`: four providers that fail in every way, one of them away for a third of the
time, SQL edits from psql in the middle; then see what became of the jobs."""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from core.settings import child_environment, python_program
from producer.embedded import EmbeddedServers
from producer.embedded.postgres import programs
from producer.keys import create_key
from sql.migrating import migrate
from sql.pool import Database, open_pool
from sql.seeding import seed
from tests.storm.checker import IN_FORCE_WITHIN, After, share_completed, violations, with_schema

HERE = Path(__file__).parent
TEXT_PROVIDERS = ("openai", "google", "anthropic", "mistral")
FAULTS = (
    "429=1", "500", "503", "529", "notfound", "region", "slow=1", "hang", "cut", "empty", "truncated", "badjson",
    "badschema",
)  # fmt: skip
SHARE = 0.05
EDITS = ("price", "endpoint", "alias", "active")
WORKERS, SLOTS = 2, 40
OVER = {"completed", "failed", "cancelled", "expired"}
SCHEMA = {
    "type": "object",
    "properties": {
        "title": {"type": "string", "minLength": 1},
        "mood": {"enum": ["bright", "dark"]},
        "pages": {"type": "integer", "minimum": 1},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["title", "mood", "pages"],
    "additionalProperties": False,
}


def job_of(number: int) -> dict[str, Any]:
    """Text of every strategy, a quarter with a schema, a tenth inside the EU."""
    body: dict[str, Any] = {"model": "storm", "prompt": f"Tale {number}", "cache": "off"}
    if number % 4 == 1:
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": "tale", "schema": SCHEMA}}
    if number % 10 == 2:
        body |= {"model": "storm-eu", "requirements": {"region": "eu"}}
    elif number % 10 == 3:
        body["requirements"] = {"prefer": "cost"}
    elif number % 10 == 6:
        body["requirements"] = {"prefer": "speed"}
    return body


def batches_of(jobs: int) -> list[list[dict[str, Any]]]:
    """In groups of 250, and beside each group a batch of four narrations."""
    found = []
    for start in range(0, jobs, 250):
        found.append([job_of(number) for number in range(start, min(jobs, start + 250))])
        found.append(
            [{"model": "storm-voice", "kind": "speech", "input": f"{start} {n}", "cache": "off"} for n in range(4)]
        )
    return found


class Storm:
    """`root` holds the servers' data and the workers' logs."""

    def __init__(self, root: Path, jobs: int) -> None:
        self._root = root
        self._jobs = jobs
        self.edits: dict[str, datetime] = {}

    async def run(self) -> After:
        servers = EmbeddedServers(self._root, emulator=True, emulator_latency_ms=15, log=lambda _: None)
        running = await asyncio.to_thread(servers.start)
        try:
            async with AsyncExitStack() as stack:
                self._url, self._emulator_url = running.database_url, running.emulator_url or ""
                pool = await open_pool(self._url, max_size=2)
                stack.push_async_callback(pool.close)
                await migrate(pool)
                await seed(pool)
                await pool.execute((HERE / "fixtures.sql").read_text())
                key = await create_key(pool, project="default")
                environment = child_environment(
                    FACTORY_DATABASE_URL=self._url, FACTORY_REDIS_URL=running.redis_url,
                    FACTORY_EMULATOR_URL=self._emulator_url, FACTORY_HOME=str(self._root / "home"),
                    FACTORY_WORKER_SLOTS=str(SLOTS), FACTORY_CALL_TIMEOUT_S="3", FACTORY_PORT="0", STORM_KEY="a key",
                )  # fmt: skip
                for number in range(WORKERS):
                    stack.push_async_callback(await self._start("workers", f"worker-{number}", environment))
                self._emulator = await stack.enter_async_context(httpx.AsyncClient(base_url=self._emulator_url))
                await self._switch_on_faults()
                await self._submit(environment, key)
                await self._weather(pool)
                return await self._read(pool)
        finally:
            await asyncio.to_thread(servers.stop)

    async def _start(self, module: str, name: str, environment: dict[str, str]) -> Any:
        with (self._root / f"{name}.log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *python_program(module), env=environment, stderr=log, stdout=log
            )

        async def end() -> None:
            if process.returncode is None:
                process.terminate()
            await process.wait()

        return end

    async def _switch_on_faults(self) -> None:
        for provider in TEXT_PROVIDERS:
            for fault in FAULTS:
                body = {"provider": provider, "fault": fault, "share": SHARE}
                (await self._emulator.post("/_emulator/faults", json=body)).raise_for_status()

    async def _submit(self, environment: dict[str, str], key: str) -> None:
        """Through the API, as anybody would."""
        from core.settings import Settings
        from producer.api.app import create_app
        from producer.composition import open_services

        settings = Settings(
            database_url=environment["FACTORY_DATABASE_URL"], redis_url=environment["FACTORY_REDIS_URL"],
            home=self._root / "home", emulator_url=self._emulator_url,
        )  # fmt: skip
        async with open_services(settings) as services:
            transport = httpx.ASGITransport(create_app(services))
            async with httpx.AsyncClient(
                transport=transport, base_url="http://factory", headers={"x-api-key": key}, timeout=60
            ) as client:
                for jobs in batches_of(self._jobs):
                    answer = await client.post("/v1/job-batches", json={"jobs": jobs})
                    assert answer.status_code == 202, answer.text

    async def _weather(self, pool: Any) -> None:
        """By how far the jobs are: the first third OpenAI is away, then edits one after the other."""
        total = sum(map(len, batches_of(self._jobs)))
        away = {"provider": "openai", "model": "gpt-6-luna", "fault": "503"}
        await self._emulator.post("/_emulator/faults", json=away, params={"owner": "away"})
        steps: list[tuple[float, Any]] = [(1 / 3, self._openai_is_back)]
        steps += [(0.4 + 0.12 * place, self._edit(name)) for place, name in enumerate(EDITS)]
        last, moved_at = 0, time.monotonic()
        while True:
            rows = await pool.fetch("SELECT state, count(*) AS n FROM factory.jobs GROUP BY state")
            done = sum(row["n"] for row in rows if row["state"] in OVER)
            while steps and done / total >= steps[0][0]:
                await steps.pop(0)[1]()
            if done == total:
                return
            if done > last:
                last, moved_at = done, time.monotonic()
            if time.monotonic() - moved_at > 150:
                raise TimeoutError(f"nothing ended for so long: {[tuple(row) for row in rows]}")
            await asyncio.sleep(0.1)

    async def _openai_is_back(self) -> None:
        await self._emulator.delete("/_emulator/faults", params={"owner": "away"})

    def _edit(self, name: str) -> Any:
        async def edit() -> None:
            psql = await asyncio.create_subprocess_exec(
                str(programs() / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", f"emulator={self._emulator_url}",
                "-f", str(HERE / "edits" / f"{name}.sql"), self._url,
            )  # fmt: skip
            assert await psql.wait() == 0, name
            self.edits[name] = datetime.now().astimezone()

        return edit

    async def _read(self, pool: Database) -> After:
        jobs = await pool.fetch("SELECT * FROM factory.jobs")
        calls = await pool.fetch(
            "SELECT call.*, endpoint.region FROM factory.calls AS call "
            "LEFT JOIN factory.provider_endpoints AS endpoint ON endpoint.id = call.endpoint_id"
        )
        return After([dict(row) for row in jobs], [dict(row) for row in calls], self.edits)


def describe(after: After, took_s: float) -> dict[str, Any]:
    """The figures of a run."""
    schema = with_schema(after.jobs)
    return {
        "jobs": len(after.jobs),
        "seconds": round(took_s, 1),
        "calls": len(after.calls),
        "failed_calls": f"{sum(call['outcome'] != 'ok' for call in after.calls) / len(after.calls):.1%}",
        "completed": f"{share_completed(after.jobs):.3%}",
        "schema_jobs": len(schema),
        "schema_yield": f"{share_completed(schema):.3%}",
        "outcomes": dict(Counter(call["outcome"] for call in after.calls).most_common()),
        "answered_by": dict(Counter(job["model"] for job in after.jobs).most_common()),
        "schema_outcomes": dict(Counter(call["schema_outcome"] for call in after.calls if call["schema_outcome"])),
        "edits": {name: at.isoformat(timespec="milliseconds") for name, at in after.edits.items()},
    }


async def storm(root: Path, jobs: int, within: timedelta = IN_FORCE_WITHIN) -> tuple[After, list[str]]:
    """What was left, and every promise that was broken."""
    after = await Storm(root, jobs).run()
    return after, list(violations(after, within))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    given = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="storm-"))
    root.chmod(0o711)
    print(f"{given.jobs} jobs, every one of {len(FAULTS)} faults in {SHARE:.0%} of the calls, in {root}", flush=True)
    began = time.monotonic()
    after, found = asyncio.run(storm(root, given.jobs))
    print(json.dumps(describe(after, time.monotonic() - began), indent=1))
    for one in found[:20]:
        print(f"BROKEN: {one}")
    if not found:
        shutil.rmtree(root, ignore_errors=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
