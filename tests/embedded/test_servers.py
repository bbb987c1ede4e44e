"""Real programs, real servers, real SIGKILL."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from producer.embedded import EmbeddedServers, read_running
from producer.embedded.permissions import open_the_way
from producer.embedded.processes import is_alive

PROGRAM = Path(__file__).with_name("program.py")


class Program:
    """One process that uses the servers of a folder."""

    def __init__(self, root: Path, statement: str = "SELECT 1", **options: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(root), statement],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,  # type: ignore[call-overload]
        )  # fmt: skip
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        self.database_url, self.redis_url, self.answer = line.rstrip("\n").split("\t")

    def leave(self) -> None:
        self.process.communicate("", timeout=30)
        assert self.process.returncode == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def root() -> Iterator[Path]:
    """A folder that the server's own user can reach."""
    place = Path(tempfile.mkdtemp(prefix="factory-"))
    yield place / "servers"
    for pid in server_pids(place / "servers"):
        os.kill(pid, signal.SIGKILL)
    shutil.rmtree(place)


def server_pids(root: Path) -> list[int]:
    found = []
    if (root / "postgres/postmaster.pid").exists():
        found.append(int((root / "postgres/postmaster.pid").read_text().splitlines()[0]))
    if (root / "valkey.json").exists():
        found.append(json.loads((root / "valkey.json").read_text())["pid"])
    return [pid for pid in found if is_alive(pid)]


def test_data_survives_a_restart_and_nothing_is_left_running(root: Path) -> None:
    first = Program(root, "CREATE TABLE kept (n int)")
    Redis.from_url(first.redis_url).set("kept", "7")
    pids = server_pids(root)
    assert len(pids) == 2
    first.leave()
    assert not any(is_alive(pid) for pid in pids)
    assert read_running(root) is None
    second = Program(root, "SELECT to_regclass('kept')::text")
    assert second.answer == "kept"
    assert Redis.from_url(second.redis_url).get("kept") == b"7"
    second.leave()


def test_two_programs_share_and_the_last_to_leave_stops_them(root: Path) -> None:
    first, second = Program(root), Program(root)
    assert (first.database_url, first.redis_url) == (second.database_url, second.redis_url)
    pids = server_pids(root)
    first.leave()
    assert all(is_alive(pid) for pid in pids)
    second.leave()
    assert not any(is_alive(pid) for pid in pids)


def test_a_killed_program_leaves_nothing_that_blocks_the_next(root: Path) -> None:
    first = Program(root)
    pids = server_pids(root)
    first.kill()
    second = Program(root)
    assert (second.database_url, server_pids(root)) == (first.database_url, pids)
    second.leave()
    assert not any(is_alive(pid) for pid in pids)


def test_killed_servers_are_started_anew_with_their_data(root: Path) -> None:
    first = Program(root, "CREATE TABLE kept (n int)")
    first.kill()
    for pid in server_pids(root):
        os.kill(pid, signal.SIGKILL)
    second = Program(root, "SELECT to_regclass('kept')::text")
    assert second.answer == "kept"
    second.leave()


def test_a_stale_pid_of_another_process_does_not_block(root: Path) -> None:
    first = Program(root)
    first.leave()
    (root / "postgres/postmaster.pid").write_text(f"{os.getpid()}\n{root}/postgres\n1\n5432\n\n127.0.0.1\n1 1\nready\n")
    second = Program(root)
    second.leave()


def test_a_half_finished_initdb_is_done_again(root: Path) -> None:
    (root / "postgres").mkdir(parents=True)
    (root / "postgres/half").write_text("x")
    program = Program(root)
    assert program.answer == "1"
    program.leave()


def test_what_is_secret_is_closed_to_others(root: Path) -> None:
    with EmbeddedServers(root, log=lambda text: None):
        for path in root.iterdir():
            mode = path.stat().st_mode
            assert not mode & (stat.S_IRWXG | stat.S_IRWXO), path
        assert stat.S_IMODE(root.stat().st_mode) == 0o711


def test_the_servers_listen_on_this_machine_alone_and_ask_for_a_password(root: Path) -> None:
    with EmbeddedServers(root, log=lambda text: None) as running:
        port = int(running.redis_url.rsplit(":", 1)[1].split("/")[0])
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100).startswith(b"-NOAUTH")


def test_the_way_is_opened_for_passing_and_not_for_reading(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    open_the_way(closed / "data", said.append)
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701
    assert str(closed) in " ".join(said)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_an_ordinary_user_needs_no_rights(root: Path) -> None:
    root.parent.chmod(0o777)
    try:
        subprocess.run([sys.executable, "-c", "import asyncpg"], user=65534, check=True)
    except (PermissionError, subprocess.CalledProcessError):
        pytest.skip("another user cannot run this Python here")
    program = Program(root, user=65534, env={"HOME": str(root.parent), "PATH": os.environ["PATH"]})
    assert program.answer == "1"
    program.leave()
