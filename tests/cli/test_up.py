"""`factory up` and the commands beside it, as real programs in a folder of their own."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import mutagen
import pytest

from core.settings import PROVIDER_KEY_NAMES
from producer.embedded.processes import is_alive
from tests.warm import WarmCommands

EXAMPLES = Path(__file__).parents[2] / "examples"


def clean_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("FACTORY_") and name not in PROVIDER_KEY_NAMES
    }


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def programs_of(parent: int) -> dict[str, int]:
    """Module → pid of a process's children."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            born_of = int(path.read_text().rpartition(")")[2].split()[1])
            command = path.with_name("cmdline").read_bytes().decode().split("\0")
        except (OSError, ValueError):
            continue
        if born_of == parent and "-m" in command:
            found[command[command.index("-m") + 1]] = int(path.parent.name)
    return found


class House:
    """`factory up` in a folder; its output is kept line by line."""

    def __init__(self, folder: Path, port: int, warm: WarmCommands) -> None:
        self.folder, self.port, self.lines, self._warm = folder, port, [], warm
        self.process = subprocess.Popen(
            [sys.executable, "-m", "producer.cli", "up", "--port", str(port)],
            cwd=folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._news:
                    self.lines.append(line)
                    self._news.notify_all()

    def end(self, number: signal.Signals) -> int:
        """Send a signal and wait; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=40)
        self._reader.join(timeout=10)
        return code

    def wait_for(self, seen: Callable[[str], bool]) -> str:
        """The first line that is what one waits for."""
        with self._news:
            assert self._news.wait_for(lambda: any(map(seen, self.lines)), timeout=30), "".join(self.lines)
            return next(line for line in self.lines if seen(line))

    def run(self, *arguments: str, code: int = 0) -> str:
        done = self._warm.run(arguments, self.folder, clean_environment())
        assert done.code == code, done.out + done.err
        assert "Traceback" not in done.err
        return done.out if code == 0 else done.err

    def children(self) -> dict[str, int]:
        """Module → pid of the programs that `up` started, and of those that they started."""
        direct = programs_of(self.process.pid)
        return direct | programs_of(direct.get("workers.autoscaling", 0))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Not under pytest's own folder, which PostgreSQL's user may not pass."""
    place = Path(tempfile.mkdtemp(prefix="factory-up-"))
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(scope="module")
def house(folder: Path, warm: WarmCommands) -> Iterator[House]:
    up = House(folder, free_port(), warm)
    up.wait_for(lambda line: "ready at" in line)
    yield up
    assert up.end(signal.SIGINT) == 0
    assert not (folder / ".factory/run.json").exists()


def test_everything_is_up_and_says_where(house: House) -> None:
    house.wait_for(lambda line: "the emulator" in line)
    environment = dict(line.split("=", 1) for line in house.run("env").splitlines())
    assert environment["FACTORY_URL"] == f"http://127.0.0.1:{house.port}"
    answer = httpx.post(
        f"{environment['FACTORY_URL']}/v1/generate",
        json={"model": "fast", "prompt": "Generate a story chapter"},
        headers={"x-api-key": environment["FACTORY_API_KEY"]},
        timeout=30,
    )
    assert answer.status_code == 200
    assert environment["FACTORY_API_KEY"] not in "".join(house.lines)
    assert "Generate a story chapter" not in "".join(
        line for line in house.lines if "curl" not in line and "-d" not in line
    )


def test_arqs_own_command_finds_the_worker(house: House) -> None:
    environment = dict(line.split("=", 1) for line in house.run("env").splitlines())
    check = [str(Path(sys.executable).with_name("arq")), "workers.main.WorkerSettings", "--check"]
    done = subprocess.run(
        check, env={**clean_environment(), **environment}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_commands_submit_list_and_count(house: House, tmp_path: Path) -> None:
    assert house.run("submit", "--prompt", "Name three islands").strip()
    house.run(
        "submit", "--kind", "speech", "--model", "narrator", "--prompt", "Hello", "--out", str(tmp_path / "a.mp3")
    )
    assert mutagen.File(tmp_path / "a.mp3").info.length > 0.3
    house.run("batch", str(EXAMPLES / "jobs.jsonl"), "--wait", "--out", str(tmp_path / "jobs.jsonl"))
    jobs = [json.loads(line) for line in (tmp_path / "jobs.jsonl").read_text().splitlines()]
    assert {job["status"] for job in jobs} == {"completed"}
    listed = json.loads(house.run("jobs", "--json", "--limit", "3"))
    assert len(listed) == 3
    assert "ok" in house.run("jobs", listed[0]["id"])
    assert house.run("watch", listed[0]["batch_id"]).split()[1].startswith("completed")
    usage = json.loads(house.run("usage", "--json"))
    assert usage["total_cost"] > 0
    assert house.run("usage", "--csv").startswith("day,provider,model")


def test_a_story_becomes_a_folder_and_is_joined_again(house: House) -> None:
    first = house.run("story", str(EXAMPLES / "lighthouse.yaml"), "--chapters", "2", "--out", "a", "--json")
    second = house.run("story", str(EXAMPLES / "lighthouse.yaml"), "--chapters", "2", "--out", "b", "--json")
    assert json.loads(first)["batch"]["id"] == json.loads(second)["batch"]["id"]
    names = sorted(path.name for path in (house.folder / "a").iterdir())
    assert len(names) == 5
    for name in names:
        if name.endswith(".mp3"):
            assert mutagen.File(house.folder / "a" / name).info.length > 5
    story = json.loads((house.folder / "a/story.json").read_text())
    assert story["emulated"] is True
    assert [job["status"] for job in story["jobs"]] == ["completed"] * 6
    assert sum(job["cost_usd"] for job in story["jobs"]) == pytest.approx(story["cost_usd"])
    for job in story["jobs"]:
        assert job["provider"]
        assert job["model"]
        assert job["usage"]
        assert job["latency_ms"] > 0
        assert job["attempts"] == 1


def test_bad_input_is_one_clear_line_and_exit_code_two(house: House, tmp_path: Path) -> None:
    assert house.run("submit", "--model", "quickest", "--prompt", "x", code=2).startswith("error: model: no alias")
    lines = tmp_path / "bad.jsonl"
    lines.write_text('{"model": "fast", "prompt": "a"}\n{"model": "fast"}\n')
    assert "line 2: prompt" in house.run("batch", str(lines), code=2)
    brief = tmp_path / "brief.yaml"
    brief.write_text("title: x\nchapers: 3\n")
    assert "brief.yaml: chapers: this field is not known here" in house.run("story", str(brief), code=2)
    assert "no file" in house.run("story", "nothing.yaml", code=2)


def test_operators_make_projects_and_keys_and_look_around(house: House) -> None:
    made = json.loads(house.run("project", "create", "nicestory", "--json"))
    assert made["project"] == "nicestory"
    answer = httpx.get(f"http://127.0.0.1:{house.port}/v1/jobs", headers={"x-api-key": made["api_key"]})
    assert answer.json() == {"data": [], "next_cursor": None}
    assert "there is a project" in house.run("project", "create", "nicestory", code=2)
    key = json.loads(house.run("key", "create", "--project", "nicestory", "--json"))["api_key"]
    house.run("key", "revoke", key[:11])
    assert httpx.get(f"http://127.0.0.1:{house.port}/v1/jobs", headers={"x-api-key": key}).status_code == 401
    explained = json.loads(house.run("routes", "explain", "--model", "smart", "--json"))
    assert explained["routes"][0]["provider"] == "openai"
    assert explained["exclusions"]
    for what in ("providers", "models", "prices", "aliases", "voices", "endpoints"):
        assert len(json.loads(house.run("catalog", what, "--json"))) > 4
    assert "up to date" in house.run("migrate")


def test_a_taken_port_is_named(house: House) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "producer.cli", "up", "--port", str(house.port)],
        cwd=house.folder, env=clean_environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"port {house.port}" in done.stderr
    assert "--port" in done.stderr


def test_a_worker_that_dies_is_started_again(house: House) -> None:
    before = house.children()["workers"]
    os.kill(before, signal.SIGKILL)
    house.wait_for(lambda line: "worker ended" in line)
    house.wait_for(
        lambda line: (
            "worker ready" in line
            and house.lines.count(line) >= 1
            and house.children().get("workers", before) != before
        )
    )
    assert house.run("submit", "--prompt", "Are you there").strip()


def test_a_killed_up_takes_its_programs_along_and_the_next_starts(warm: WarmCommands) -> None:
    place = Path(tempfile.mkdtemp(prefix="factory-up-"))
    first = House(place, free_port(), warm)
    try:
        first.wait_for(lambda line: "ready at" in line)
        children = first.children()
        assert {"producer", "workers"} <= set(children)
        first.end(signal.SIGKILL)
        second = House(place, free_port(), warm)
        second.wait_for(lambda line: "ready at" in line)
        assert second.end(signal.SIGTERM) == 0
        assert not any(is_alive(pid) for pid in children.values())
    finally:
        if first.process.poll() is None:
            first.end(signal.SIGKILL)
        shutil.rmtree(place, ignore_errors=True)


def test_bounds_that_cannot_be_held_are_named(tmp_path: Path) -> None:
    for wrong, said in (
        (("producer.cli", "up", "--min-workers", "3", "--max-workers", "2"), "--min-workers 3 is more than"),
        (("workers.autoscaling", "--min", "3", "--max", "2"), "--min 3 and --max 2"),
        (("workers.autoscaling", "--url", "factory.example"), "begins with http"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", *wrong],
            cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 2
        assert said in done.stderr


def test_nothing_running_is_said(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "producer.cli", "env"],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "nothing runs" in done.stderr
