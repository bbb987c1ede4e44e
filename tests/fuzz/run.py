"""`python -m tests.fuzz.run --minutes M --seed N`: schemathesis over the OpenAPI document against a real API process
with a worker and the emulator. No 5xx, no status that is not documented, no answer that breaks its schema.

Twice: with the key of a project, then with an operator's over `/v1/admin`. Streams are left out, as they do not end.
"""

import argparse
import asyncio
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from producer.everything import everything
from producer.keys import create_key
from sql.pool import open_pool

# Not `allow_header_conformance`: /v1/job-batches/quote is also the batch called `quote`, which GET does not find.
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance",
)  # fmt: skip
# What became of a job that was waited for is no fault of the server's.
SETTINGS = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "502", "504"]
"""
STREAMS = r"/events$"
WAIT = "Prefer: wait=1"


def main(given: Sequence[str] | None = None) -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser(prog="scripts/fuzz", description="Ask the API what nobody would.")
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--seed", type=int, default=None, help="of an earlier run, to see the same again")
    asked = parser.parse_args(given)
    seed = asked.seed if asked.seed is not None else random.randrange(1 << 32)
    home = Path(tempfile.mkdtemp(prefix="factory-fuzz-"))
    os.environ["FACTORY_HOME"] = str(home)
    print(f"seed {seed}; again with: scripts/fuzz --minutes {asked.minutes:g} --seed {seed}")
    try:
        with everything(
            lambda name, line: (home / f"{name}.log").open("a").write(line + "\n") and None,
            host=None, port=None, workers=(1, 1), any_port=True,
        ) as up:  # fmt: skip
            (home / "schemathesis.toml").write_text(SETTINGS)
            operator = asyncio.run(_operator_key(up.settings.database_url or ""))
            seconds = max(5, int(asked.minutes * 60 * 0.75)), max(3, int(asked.minutes * 60 * 0.25))
            found = _ask(home, up.url, up.api_key, seed, seconds[0], "--exclude-path-regex", "^/v1/admin")
            found |= _ask(home, up.url, operator, seed, seconds[1], "--include-path-regex", "^/v1/admin")
            faults = [line for line in (home / "api.log").read_text().splitlines() if "a fault of ours" in line]
        for line in faults[:20]:
            print(line)
        print(f"{'found something' if found or faults else 'nothing found'}; seed {seed}")
        return 1 if found or faults else 0
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _ask(home: Path, url: str, key: str, seed: int, seconds: int, *which: str) -> int:
    command = [
        sys.executable, "-m", "schemathesis.cli", "run", f"{url}/openapi.json", "--header", f"x-api-key: {key}",
        "--header", WAIT, "--checks", ",".join(CHECKS), "--seed", str(seed), "--max-time", str(seconds),
        "--request-timeout", "30", "--exclude-path-regex", STREAMS, "--no-color", *which,
    ]  # fmt: skip
    if "--include-path-regex" not in which:
        command[command.index("--exclude-path-regex") : command.index("--exclude-path-regex") + 2] = []
        command[-1] = f"{STREAMS}|{which[1]}"
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    return subprocess.run(command, check=False, cwd=home, env=environment).returncode


async def _operator_key(database_url: str) -> str:
    pool = await open_pool(database_url, max_size=2)
    try:
        return await create_key(pool, project=None)
    finally:
        await pool.close()


if __name__ == "__main__":
    sys.exit(main())
