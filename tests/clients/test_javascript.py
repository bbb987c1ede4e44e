"""The JavaScript client in Node against the running factory, with trouble on the way; and its types."""

import asyncio
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import Door, Trouble
from tests.house import Factory

CLIENT = Path(__file__).parents[2] / "clients" / "javascript" / "factory.js"
TYPES = CLIENT.with_suffix(".d.ts").read_text()
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="needs Node")


async def run_node(*words: str, folder: Path, **more: str) -> str:
    process = await asyncio.create_subprocess_exec(
        "node", *words, cwd=folder, env={"PATH": "/usr/bin:/bin:/usr/local/bin"} | more,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@needs_node
async def test_every_method_does_what_it_says_in_spite_of_trouble(door: Door, factory: Factory, tmp_path: Path) -> None:
    door.troubles = [
        Trouble("/v1/jobs", 429, {"Retry-After": "1"}),
        Trouble("/v1/jobs", cut_after=10),
        Trouble("/events", cut_after=700),
        Trouble("/v1/job-batches", 503),
        Trouble("/results", cut_after=700),
        Trouble("/audio", cut_after=500),
    ]
    script = str(Path(__file__).with_name("methods.mjs"))
    out = await run_node(script, str(CLIENT), factory.key, door.url, "2099-01-01T00:00:00Z", folder=tmp_path)
    came: dict[str, Any] = json.loads(out)
    sequences, last = came.pop("events")
    assert (sequences, last) == (list(range(1, len(sequences) + 1)), "job.completed")
    assert came == {
        "generate": ["string", "number", True],
        "failed": [True, "expired", False],
        "wait": ["completed", True, True, True],
        "retry": "completed",
        "late": [True, "queued"],
        "aborted": ["TimeoutError", "TimeoutError"],
        "cancel": "cancelled",
        "jobs": [1, "string", 5],
        "batch": ["batch.completed", 3],
        "getBatch": "completed",
        "results": [[f"line-{number}", "completed", "string"] for number in range(3)],
        "batchJobs": ["ok"] * 3,
        "named": [{"book": "The Lamp"}, 2, 1],
        "cancelBatch": 1,
        "partly": ["Partly", 1, [2]],
        "again": True,
        "retryFailed": [True, 409],
        "deleted": ["string", 410],
        "quote": [2, True, 2],
        "speak": [True, True],
        "voices": True,
        "usage": [["model"], "number"],
        "request": True,
        "refused": [True, 400, "invalid_request", True],
        "nobody": True,
        "nowhere": [True] * 3,
        "secret": False,
        "exact": [
            "0.12345678901234567890",
            {"cost": 0.12345678901234568, "n": '"cost": 0.11111111111111111111', "small_usd": 0.5, "shiny": {"x": [1]}},
            False,
        ],
        "html": True,
        "webhook": ["灯台", "灯台", *["refused"] * 7],
    }
    assert door.troubles == []
    keys = [headers["idempotency-key"] for headers in door.headers_of("/v1/jobs") if "idempotency-key" in headers]
    assert (len(keys), len(set(keys))) == (5, 3)
    assert [headers.get("range") for headers in door.headers_of("/audio")] == [None, "bytes=500-"]


@needs_node
async def test_every_name_of_the_module_and_every_method_is_declared(tmp_path: Path) -> None:
    out = await run_node(
        "--input-type=module", "-e",
        f"const found = await import({json.dumps(CLIENT.as_uri())});"
        "const methods = Object.getOwnPropertyNames(found.FactoryClient.prototype);"
        "console.log(JSON.stringify([Object.keys(found), methods]));",
        folder=tmp_path,
    )  # fmt: skip
    names, methods = json.loads(out)
    assert set(re.findall(r"^export (?:class|function) (\w+)", TYPES, re.MULTILINE)) == set(names)
    declared = re.search(r"class FactoryClient \{(.*?)^\}", TYPES, re.DOTALL | re.MULTILINE)
    assert declared is not None
    assert set(re.findall(r"^  (?:readonly )?(\w+)[(:]", declared[1], re.MULTILINE)) == set(methods)


@pytest.mark.skipif(shutil.which("tsc") is None, reason="needs the TypeScript compiler")
async def test_the_types_are_typescript(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        "tsc", "--noEmit", "--strict", "--target", "es2022", str(CLIENT.with_suffix(".d.ts"))
    )
    assert await process.wait() == 0


def test_the_package_is_whole() -> None:
    package = json.loads(CLIENT.with_name("package.json").read_text())
    assert all(CLIENT.with_name(name).exists() for name in package["files"])
    assert not package.keys() & {"dependencies", "peerDependencies"}
    assert re.findall(r"^import ", CLIENT.read_text(), re.MULTILINE) == []
