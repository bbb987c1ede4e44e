"""The commands as programs, beside an API and a worker in this process."""

import asyncio
import csv
import io
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import uvicorn

from core.errors import RequestRefused
from core.jsonio import dump_json
from core.settings import PROVIDER_KEY_NAMES, Settings
from producer.api.app import create_app
from producer.cli.jobs import read_moment
from producer.cli.story import fit
from tests.house import Factory
from tests.warm import Ended, WarmCommands

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMA = {"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}


Command = Callable[..., Awaitable[Ended]]


def environment(settings: Settings) -> dict[str, str]:
    plain = {name: value for name, value in os.environ.items() if name not in PROVIDER_KEY_NAMES}
    return plain | {
        "FACTORY_DATABASE_URL": settings.database_url or "",
        "FACTORY_REDIS_URL": settings.redis_url or "",
        "FACTORY_HOME": str(settings.home),
        "FACTORY_STORAGE_URL": settings.storage_place,
        "FACTORY_DATABASE_POOL_SIZE": "2",
    }


def start(settings: Settings, folder: Path, *words: str, **more: str) -> Awaitable[asyncio.subprocess.Process]:
    return asyncio.create_subprocess_exec(
        sys.executable, "-m", "producer.cli", *words,
        cwd=folder, env=environment(settings) | {"PYTHONPATH": str(EXAMPLES.parent)} | more,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@pytest.fixture
def run(factory: Factory, settings: Settings, tmp_path: Path, warm: WarmCommands) -> Command:
    """Runs `factory …` to its end, on the servers of this test, in a folder of its own."""

    async def run(*words: str, stdin: bytes = b"", **more: str) -> Ended:
        async with asyncio.timeout(60):
            done = await asyncio.to_thread(warm.run, words, tmp_path, environment(settings) | more, stdin)
        assert "Traceback" not in done.err, done.err
        return done

    return run


@pytest.fixture
async def served(factory: Factory) -> AsyncIterator[str]:
    """The factory's API on a socket."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(factory.services), log_config=None, lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listening]))
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await running


async def test_an_answer_stands_alone_on_standard_output(run: Command) -> None:
    done = await run("submit", "--model", "fast", "--prompt", "Name an island")
    assert done.code == 0
    assert len(done.out.strip()) > 20
    assert "emulated" in done.err
    assert "USD" not in done.out


async def test_a_prompt_comes_from_a_file_or_from_standard_input(run: Command, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Name an island")
    by_file = await run("submit", "--file", "prompt.txt")
    by_pipe = await run("submit", "-", stdin=b"Name an island")
    by_option = await run("submit", "--prompt", "Name an island")
    assert by_file.out == by_pipe.out == by_option.out
    assert (await run("submit", "-", stdin=b"\xff\xfe")).code == 2
    assert (await run("submit")).code == 2


async def test_an_answer_keeps_to_the_schema_of_a_file(run: Command, tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    done = await run("submit", "--model", "json", "--prompt", "An outline", "--schema", "schema.json", "--json")
    assert done.json["status"] == "completed"
    assert done.json["result"]["parsed"]["title"]
    assert isinstance(done.json["cost"], Decimal)
    (tmp_path / "schema.json").write_text("{")
    broken = await run("submit", "--prompt", "x", "--schema", "schema.json")
    assert (broken.code, "schema.json is not JSON" in broken.err) == (2, True)


async def test_a_narration_lands_in_a_file(run: Command, tmp_path: Path) -> None:
    done = await run("submit", "--kind", "speech", "--model", "narrator", "--prompt", "Hello there", "--out", "a.mp3")
    assert (done.code, done.out) == (0, "a.mp3\n")
    assert (tmp_path / "a.mp3").stat().st_size > 1000


async def test_a_refusal_names_its_field_and_ends_with_code_2(run: Command) -> None:
    unknown = await run("submit", "--model", "nonesuch", "--prompt", "x")
    assert (unknown.code, unknown.out) == (2, "")
    assert "nonesuch" in unknown.err
    wrong = await run("submit", "--kind", "speech", "--model", "narrator", "--prompt", "x", "--system", "y")
    assert "system: goes with kind text" in wrong.err


async def test_a_failed_job_says_why_and_ends_with_code_1(run: Command, factory: Factory) -> None:
    await factory.execute(
        "INSERT INTO factory.models (provider, model_id, kind) VALUES ('openai', 'gpt-6-luna@policy', 'text')"
    )
    await factory.settled()
    done = await run("submit", "--model", "gpt-6-luna@policy", "--prompt", "x")
    assert (done.code, done.out) == (1, "")
    assert "failed: content_policy: " in done.err


async def test_a_job_is_listed_shown_watched_and_accounted_for(run: Command) -> None:
    job_id = (await run("submit", "--prompt", "x", "--no-wait")).out.strip()
    watched = await run("watch", job_id)
    assert (watched.code, bool(watched.out.strip())) == (0, True)
    assert job_id in (await run("jobs", "--status", "completed", "--kind", "text")).out
    assert (await run("jobs", "--status", "failed", "--json")).json == []
    listed = (await run("jobs", "--json")).json
    assert [job["id"] for job in listed] == [job_id]
    shown = await run("jobs", job_id)
    assert "calls" not in shown.out
    assert watched.out in shown.out
    assert len((await run("jobs", job_id, "--json")).json["calls"]) == 1
    assert "nothing with this id" in (await run("watch", "00000000-0000-7000-8000-000000000000")).err


async def test_usage_is_a_table_json_or_csv_of_a_time_or_a_batch(run: Command) -> None:
    job = (await run("submit", "--prompt", "x", "--json")).json
    rows = list(csv.DictReader(io.StringIO((await run("usage", "--csv", "--since", "24h")).out)))
    assert [(row["calls"], Decimal(row["cost"])) for row in rows] == [("1", job["cost"])]
    assert (await run("usage", "--json")).json["total_cost"] == job["cost"]
    assert (await run("usage", "--until", "2020-01-01", "--json")).json["data"] == []
    assert (await run("usage")).out.splitlines()[-1] == f"total: {job['cost']} USD"
    refused = await run("usage", "--since", "yesterday")
    assert (refused.code, "'yesterday' is no time" in refused.err) == (2, True)
    named = (await run("usage", "--by", "alias,kind", "--model", job["result"]["model"], "--json")).json
    assert [(row["alias"], row["kind"], row["cost"]) for row in named["data"]] == [("fast", "text", job["cost"])]
    assert (await run("usage", "--provider", "nobody", "--json")).json["data"] == []


async def test_usage_is_of_one_project_or_with_an_operators_key_of_all(
    run: Command, factory: Factory, served: str
) -> None:
    assert (await factory.job(model="fast", prompt="x"))["status"] == "completed"
    assert (await run("usage", "--json")).json["data"] == []
    mine = (await run("usage", "--project", "nicestory", "--json")).json
    assert (mine["project"], mine["totals"]["calls"]) == ("nicestory", 1)
    everybody = (await run("usage", "--all-projects", "--by", "project", "--csv")).out.splitlines()
    assert [line.split(",")[:2] for line in everybody] == [["project", "calls"], ["nicestory", "1"]]
    assert (await run("usage", "--all-projects", "--project", "default", "--json")).json["data"] == []
    remote = {"FACTORY_URL": served, "FACTORY_API_KEY": factory.key, "FACTORY_DATABASE_URL": ""}
    assert (await run("usage", "--project", "nicestory", "--json", **remote)).json["totals"] == mine["totals"]
    for words in (("--project", "default"), ("--all-projects",)):
        refused = await run("usage", *words, **remote)
        assert (refused.code, refused.out) == (2, ""), words
    operators = remote | {"FACTORY_API_KEY": await factory.operator_key()}
    shown = await run("usage", "--all-projects", **operators)
    assert shown.out.splitlines()[0].split()[:3] == ["project", "day", "provider"]
    assert shown.out.splitlines()[-1].startswith("total: 0.")


async def test_a_repeated_request_is_answered_by_the_cache_until_it_is_emptied(run: Command) -> None:
    asked = ("submit", "--model", "fast", "--prompt", "Tell me about lighthouses", "--json")
    assert [(await run(*asked)).json["result"]["cached"] for _ in range(2)] == [False, True]
    assert "hits" in (await run("cache", "show")).out
    assert (await run("cache", "show", "--json")).json["hits"] == 1
    assert (await run("cache", "clear")).out == "forgotten: 1 answers\n"
    assert (await run(*asked)).json["result"]["cached"] is False


async def test_the_example_batch_completes_and_its_results_keep_their_order(run: Command, tmp_path: Path) -> None:
    done = await run("batch", str(EXAMPLES / "jobs.jsonl"), "--out", "results.jsonl")
    assert done.code == 0, done.err
    keys = [json.loads(line).get("key") for line in (EXAMPLES / "jobs.jsonl").read_text().splitlines()]
    jobs = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [job["key"] for job in jobs] == keys
    assert all(job["result"] for job in jobs)
    batch_id = done.out.split()[0]
    assert len((await run("jobs", "--batch", batch_id, "--limit", "3", "--json")).json) == 3
    assert (await run("watch", batch_id, "--json")).json["status"] == "completed"


async def test_a_batch_with_faults_is_refused_with_the_line_of_each(run: Command) -> None:
    lines = b'{"model": "fast", "prompt": "x"}\n\n{"model": "fast"}\n{"model": "fast", "promt": "x"}\nnot json\n'
    done = await run("batch", "-", stdin=lines)
    assert (done.code, done.out) == (2, "")
    for said in ("line 3, prompt: exactly one", "line 4, promt: this field is not known", "line 5: this is not JSON"):
        assert said in done.err


async def test_a_long_file_is_read_on_the_way_and_may_lose_its_wrong_lines(run: Command) -> None:
    lines = [b'{"model": "cheap"}'] * 1100 + [b'{"model": "cheap", "prompt": "x"}']
    refused = await run("batch", "-", stdin=b"\n".join(lines))
    assert (refused.code, "failed" in refused.out) == (2, True)
    done = await run("batch", "-", "--wait", "--skip-errors", stdin=b"\n".join(lines))
    assert done.code == 0, done.err
    for said in ("line 1: prompt: exactly one", "line 20: prompt", "1100 lines made no job; the first 20 are above"):
        assert said in done.err
    answers = (await run("results", done.out.split()[0], "--status", "completed")).out.splitlines()
    assert [json.loads(line)["line"] for line in answers] == [1101]


async def test_the_same_idempotency_key_joins_the_first(run: Command) -> None:
    words = ("submit", "--prompt", "x", "--no-wait", "--idempotency-key", "k")
    assert (await run(*words)).out == (await run(*words)).out
    assert "another body" in (await run(*words, "--model", "smart")).err


async def test_a_story_is_told_line_by_line_and_found_in_its_folder(run: Command, tmp_path: Path) -> None:
    done = await run("story", str(EXAMPLES / "lighthouse.yaml"), "--out", "here")
    assert done.code == 0, done.err
    assert "outline       completed" in done.err
    assert "narration-3   completed" in done.err
    assert len(list((tmp_path / "here").glob("0?-*.md"))) == len(list((tmp_path / "here").glob("0?-*.mp3"))) == 3
    for said in ("elevenlabs", "9 completed", "USD", "emulator", "here/", "story.json"):
        assert said in done.out
    again = await run("story", str(EXAMPLES / "lighthouse.yaml"), "--out", "there", "--json")
    assert again.json["batch_id"] == json.loads((tmp_path / "here" / "story.json").read_text())["batch_id"]
    joined = await run("story", "Another", "--chapters", "3", "--out", "late", "--join", again.json["batch_id"])
    assert joined.code == 0
    assert len(list((tmp_path / "late").glob("0?-*.mp3"))) == 3


async def test_a_story_that_failed_ends_with_code_1_and_its_reason(run: Command, factory: Factory) -> None:
    await factory.execute(
        "INSERT INTO factory.models (provider, model_id, kind) VALUES ('openai', 'gpt-6-luna@policy', 'text')"
    )
    await factory.settled()
    brief = b"title: x\nchapters: 2\nnarration: false\nmodels: {chapter: 'gpt-6-luna@policy'}"
    (factory.settings.home / "x.yaml").write_bytes(brief)
    done = await run("story", "x.yaml")
    assert done.code == 1
    assert "chapter-1 failed: content_policy: " in done.err
    assert "not written because of that: summary-1, chapter-2" in done.err


async def test_ctrl_c_leaves_the_story_to_the_workers_and_says_how_to_come_back(
    factory: Factory, settings: Settings, tmp_path: Path, run: Command
) -> None:
    await factory.execute(
        "INSERT INTO factory.models (provider, model_id, kind) VALUES ('openai', 'gpt-6-luna@slow=3', 'text')"
    )
    await factory.settled()
    brief = "title: Slow\nchapters: 1\nnarration: false\nmodels: {chapter: 'gpt-6-luna@slow=3'}"
    (tmp_path / "slow.yaml").write_text(brief)
    process = await start(settings, tmp_path, "story", "slow.yaml", "--new")
    assert process.stderr is not None
    first = (await process.stderr.readline()).decode()
    assert first.startswith("batch ")
    batch_id = first.split()[1].rstrip(":")
    process.send_signal(signal.SIGINT)
    async with asyncio.timeout(20):
        _, err = await process.communicate()
    assert process.returncode == 130, err.decode()
    assert f"Come back with: factory story slow.yaml --join {batch_id}" in err.decode()
    assert "Traceback" not in err.decode()
    joined = await run("story", "slow.yaml", "--join", batch_id)
    assert (joined.code, "2 completed" in joined.out) == (0, True)


async def test_commands_go_over_http_when_told_where(run: Command, served: str, factory: Factory) -> None:
    remote = {"FACTORY_URL": served, "FACTORY_API_KEY": factory.key, "FACTORY_DATABASE_URL": ""}
    done = await run("submit", "--prompt", "x", "--json", **remote)
    assert done.json["project"] == "nicestory"
    wrong = await run("jobs", **remote | {"FACTORY_API_KEY": "fk_wrong"})
    assert (wrong.code, "not known" in wrong.err) == (2, True)
    keyless = await run("jobs", **remote | {"FACTORY_API_KEY": ""})
    assert (keyless.code, "set FACTORY_API_KEY" in keyless.err) == (1, True)
    away = await run("jobs", **remote | {"FACTORY_URL": "http://127.0.0.1:9"})
    assert (away.code, "http://127.0.0.1:9 cannot be reached" in away.err) == (1, True)


async def test_servers_that_are_away_are_named(run: Command) -> None:
    done = await run("jobs", FACTORY_DATABASE_URL="postgresql://x@127.0.0.1:9/x")
    assert (done.code, "Postgres cannot be used" in done.err) == (1, True)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        (None, None),
        ("2026-11-01", "2026-11-01T00:00:00+00:00"),
        ("2026-11-01T08:00:00+01:00", "2026-11-01T08:00:00+01:00"),
        ("24h", "2026-11-22T12:00:00+00:00"),
        ("4w", "2026-10-26T12:00:00+00:00"),
    ],
)
def test_times_are_read_as_people_write_them(text: str | None, moment: str | None) -> None:
    assert read_moment(text, "since", datetime(2026, 11, 23, 12, tzinfo=UTC)) == moment


@pytest.mark.parametrize("text", ["", "soon", "99999999d", "²d", "2026-13-01"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(RequestRefused, match="is no time"):
        read_moment(text, "since", datetime(2026, 11, 23, tzinfo=UTC))


def test_a_long_story_shows_what_runs_on_a_small_screen() -> None:
    jobs = [{"status": "completed"}] * 30 + [{"status": "in_progress"}] * 2 + [{"status": "waiting"}] * 30
    assert fit(jobs, 20)[0] == 30
    before, shown, after = fit(jobs, 20)
    assert (before, len(shown), after) == (30, 20, 12)
    assert shown[0]["status"] == "in_progress"
    assert fit(jobs[:5], 20) == (0, jobs[:5], 0)
    assert dump_json(fit([], 20)) == b"[0,[],0]"


async def test_voices_are_listed_and_sampled(run: Command, tmp_path: Path) -> None:
    listed = (await run("voices", "--json")).json
    narrators = {row["provider"]: row for row in listed if row["voice"] == "narrator"}
    assert narrators["elevenlabs"]["models"][0] == "eleven_multilingual_v2:JBFqnCBsd6RMkjVDRZzb"
    shown = await run("voices")
    assert shown.out.splitlines()[0].split() == ["voice", "provider", "provider", "voice", "id", "model"]
    sampled = await run("voices", "sample", "narrator", "--out", "samples", "--json")
    assert sampled.code == 0, sampled.err
    assert {row["provider"] for row in sampled.json} == {name for name, row in narrators.items() if row["models"]}
    for row in sampled.json:
        sound = tmp_path / row["file"]
        assert sound.stat().st_size > 5_000
        assert 3 < row["duration_s"] < 10
        assert row["cost"] > 0
    nobody = await run("voices", "sample", "nobody")
    assert (nobody.code, "no voice 'nobody'" in nobody.err) == (2, True)


async def test_a_project_and_everything_can_be_paused(run: Command, factory: Factory) -> None:
    for words, table in ((("nicestory",), "projects WHERE name = 'nicestory'"), ((), "controls")):
        assert (await run("pause", *words)).code == 0
        assert [row["paused"] for row in await factory.execute(f"SELECT paused FROM factory.{table}")] == [True]
        assert (await run("resume", *words)).code == 0
        assert [row["paused"] for row in await factory.execute(f"SELECT paused FROM factory.{table}")] == [False]
    nobody = await run("pause", "nobody")
    assert (nobody.code, "no project 'nobody'" in nobody.err) == (2, True)


async def test_a_quote_says_what_jobs_would_cost_and_submits_nothing(run: Command, factory: Factory) -> None:
    lines = [{"model": "cheap", "prompt": f"Line {number}", "max_output_tokens": 50} for number in (1, 2, 2)]
    lines.append({"model": "gpt-6-luna", "prompt": "x"})
    file = b"\n".join(json.dumps(line).encode() for line in lines)
    said = await run("quote", "-", "--lines", stdin=file)
    assert (said.code, said.err) == (0, "")
    assert "as line 2" in said.out
    assert "USD are expected" in said.out
    totals = (await run("quote", "-", "--json", stdin=file)).json["totals"]
    assert (totals["jobs"], totals["repeated_jobs"]) == (4, 1)
    assert f"{totals['expected_usd']:f} USD are expected" in said.out
    one = await run("quote", "--model", "cheap", "--prompt", "Line 1", "--max-cost-usd", "0")
    assert (one.code, "does not fit: max_cost_usd is 0" in one.out) == (1, True)
    assert (await run("quote", "--model", "nothing", "--prompt", "x")).code == 2
    assert [(await run("quote", *words)).code for words in ((), ("-", "--prompt", "x"))] == [2, 2]
    await factory.execute(
        'UPDATE factory.projects SET settings = settings || \'{"limits": {"requests_per_minute": 3}}\''
    )
    await factory.settled()
    assert "limits admit these within 2 minutes" in (await run("quote", "-", stdin=file)).out
    assert await factory.execute("SELECT FROM factory.jobs") == []
