"""The table of promised figures takes a quarter of an hour to measure; how it is made of the samples takes none."""

import subprocess
from pathlib import Path
from typing import Any

from openai import AsyncOpenAI

from core.settings import python_program
from tests.bench import calls, drain
from tests.bench.measuring import cpu_s, wait_for
from tests.bench.table import rows_of


def _drained(who: str, slots: int, per_s: float) -> dict[str, Any]:
    return {"who": who, "slots": slots, "per_s": per_s, "accepted_per_s": per_s * 2}


def _called(who: str, slots: int, per_s: float, worker: float, poll_s: float = 0.0) -> dict[str, Any]:
    return {"who": who, "slots": slots, "poll_s": poll_s, "per_s": per_s, "worker": worker}


SAMPLES: dict[str, list[dict[str, Any]]] = {
    "drain": [_drained(drain.OURS, 200, 3000), _drained(drain.OURS, 500, 6000), _drained(drain.ARQ, 100, 1500)],
    "calls": [
        _called(calls.OURS, 100, 600, 2.5),
        _called(calls.BY_HAND, 10, 40, 3, 0.5),
        _called(calls.BY_HAND, 100, 150, 3, 0.05),
        _called(calls.OWN, 100, 500, 2.4),
        _called(calls.LANES, 100, 800, 2.0),
    ],
    "queue": [{"side": "arq", "ms": [250.0] * 9}, {"side": "ours", "ms": [2.0] * 9}],
    "hold": [{"calls": 5000.0, "calls at once, most seen": 5000.0, "peak RSS, MB": 400.0, "peak RSS before, MB": 99.0}],
    "growth": [{"tables": "empty", "per_s": 1000.0}, {"tables": "grown", "per_s": 950.0}],
    "fair": [
        {"backlog": 20_000, "waited_s": [0.1] * 200, "share_errors": [0.01, -0.02]}
        | {name: [us] for name, us in (("few 1", 100.0), ("many 1", 150.0), ("few 100", 2000.0), ("many 100", 2200.0))}
    ],
}


def test_the_fastest_setting_of_each_side_counts() -> None:
    rows = {row["figure"]: row for row in rows_of(SAMPLES)}
    drained = rows["no-op jobs drained by one process, 500 slots, a second"]
    assert drained["ratio"] == "4.00 (4.00–4.00)"
    assert rows["calls of 50 ms, two processes, a second"]["ratio"] == "4.00 (4.00–4.00)"
    assert rows["the same beside the SDK alone"]["ratio"] == "0.75 (0.75–0.75)"
    assert rows["CPU of ours beyond the SDK call, ms a job"]["measured"] == "0.50 (0.50–0.50)"
    assert rows["drain on grown tables beside empty ones"]["ratio"].startswith("0.95")
    assert [row["ratio"] for name, row in rows.items() if name.startswith("a claim")] == ["1.50", "1.10"]
    assert rows["weights 1 2 3 4 over 4,000 jobs: the share that is furthest off"]["measured"] == "2.0%"
    assert all(row.keys() == drained.keys() for row in rows.values())


async def test_the_recorded_answer_is_one_that_the_sdk_reads(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    with subprocess.Popen(python_program("tests.bench.completions", "5", str(ready))) as process:
        try:
            async with AsyncOpenAI(base_url=wait_for(ready, process), api_key="none", max_retries=0) as client:
                for _ in range(2):
                    answer = await client.chat.completions.create(
                        model="chat", messages=[{"role": "user", "content": "a lamp"}]
                    )
                    assert answer.choices[0].message.content
                    assert answer.usage is not None
                    assert answer.usage.total_tokens == 55
            assert cpu_s(process.pid) > 0
        finally:
            process.terminate()
