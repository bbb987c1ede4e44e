"""Submits a second over HTTP on one API process, beside a bare FastAPI application that answers the same body.

Callers keep their connections and send the next request when the last is answered; they have a process of their own,
and share two cores with the API, Postgres and Valkey. No worker runs: the jobs wait in line.
"""

import argparse
import asyncio
import statistics
import sys
import time
from itertools import count

import uvloop

from core.jsonio import dump_json
from producer.embedded.processes import free_port
from tests.bench.measuring import Effort, Measured, in_own_process, in_turn, middle, middle_ratio, of_setting
from tests.bench.standing import program, standing, wait_until_ready

TITLE = "POST /v1/jobs on one API process, submits a second: median (lowest–highest round)"
FACTORY, IDEMPOTENT, BARE = "the factory", "the factory, Idempotency-Key", "bare FastAPI"
WHO = (FACTORY, IDEMPOTENT, BARE)
CALLERS = (1, 8, 32, 128)
PROMPT = "Describe item {} of our catalogue in two friendly sentences, for somebody who has never seen it. "
WARM_UP_S = 0.5


def run(effort: Effort) -> Measured:
    """Every number of callers at the factory and at the bare application, in turn."""
    seconds = effort.seconds / 2
    with standing(workers=0, latency_ms=0) as factory:
        port = free_port()
        bare = f"http://127.0.0.1:{port}"
        with program("tests.bench.submits_baseline", str(port)):
            wait_until_ready(f"{bare}/readyz")

            def measure(who: str, callers: int) -> dict[str, float]:
                arguments = ["--url", bare if who == BARE else factory.url, "--key", factory.key]
                arguments += ["--callers", str(callers), "--seconds", str(seconds)]
                return in_own_process("tests.bench.submits", *arguments, *["--idempotent"] * (who == IDEMPOTENT))

            settings = [{"who": who, "callers": callers} for callers in CALLERS for who in WHO]
            samples = in_turn(settings, effort, measure)
    rows = []
    for callers in CALLERS:
        row: dict[str, str] = {"callers": str(callers)}
        rates = {who: of_setting(samples, {"who": who, "callers": callers}, "per_s") for who in WHO}
        row |= {who: middle(rates[who]) for who in WHO}
        row["bare / the factory"] = middle_ratio(rates[BARE], rates[FACTORY])
        row["its p99, ms"] = middle(of_setting(samples, {"who": FACTORY, "callers": callers}, "p99"))
        rows.append(row)
    return Measured(rows, samples)


def main() -> None:
    """The callers, as a program: one JSON object on stdout."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--callers", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--idempotent", action="store_true")
    given = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        found = runner.run(submit(given.url, given.key, given.callers, given.seconds, idempotent=given.idempotent))
    sys.stdout.buffer.write(dump_json(found))


async def submit(url: str, key: str, callers: int, seconds: float, *, idempotent: bool) -> dict[str, float]:
    """Answers a second, and milliseconds to each (`p50`, `p99`), once everybody is warm. Raises ValueError for an
    answer that is not 202."""
    began = time.perf_counter() + WARM_UP_S
    until = began + seconds
    took: list[float] = []
    numbers = count(time.time_ns())
    host, _, port = url.removeprefix("http://").partition(":")

    async def call() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        while (sent := time.perf_counter()) < until:
            writer.write(_request(key, next(numbers), idempotent=idempotent))
            await _read_answer(reader)
            if sent >= began:
                took.append((time.perf_counter() - sent) * 1000)
        writer.close()

    await asyncio.gather(*(call() for _ in range(callers)))
    passed_s = time.perf_counter() - began
    cut = statistics.quantiles(took, n=100)
    return {"per_s": round(len(took) / passed_s, 1), "p50": round(cut[49], 2), "p99": round(cut[98], 2)}


def _request(key: str, number: int, *, idempotent: bool) -> bytes:
    body = dump_json({"model": "cheap", "prompt": PROMPT.format(number), "metadata": {"row": number}})
    head = f"POST /v1/jobs HTTP/1.1\r\nhost: bench\r\nx-api-key: {key}\r\ncontent-type: application/json\r\n"
    head += f"idempotency-key: {number}\r\n" if idempotent else ""
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def _read_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 202"):
        raise ValueError(f"{head.decode()}{body.decode()}")


if __name__ == "__main__":
    main()
