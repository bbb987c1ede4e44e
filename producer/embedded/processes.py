"""Starting, finding and ending the processes of embedded servers."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

STOP_WITHIN_S = 10.0
MAX_LOG_BYTES = 10_000_000


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def spawn(
    command: Sequence[str], log: Path, *, user: int | None = None, environment: dict[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a server in a session of its own, so that Ctrl-C reaches our programs first."""
    fresh = os.O_TRUNC if log.exists() and log.stat().st_size > MAX_LOG_BYTES else 0
    opened = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | fresh, 0o600)
    with os.fdopen(opened, "ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user is not None else None,
            cwd="/",
            env=environment,
        )


def wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", within_s: float) -> bool:
    """True once it is ready, and then it stands on its own; False when it ended or the time ran out."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if process.poll() is None and ready():
            disown(process)
            return True
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return False


def disown(process: "subprocess.Popen[bytes]") -> None:
    """The server outlives this program: Python need neither wait for it nor warn that it still runs."""
    process.returncode = 0


def is_alive(pid: int) -> bool:
    """Does the process exist, and is it more than a zombie?"""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except (OSError, IndexError):
        return True
    return state != "Z"


def end(pid: int, first: signal.Signals = signal.SIGTERM) -> None:
    """Ask a process of ours to stop, wait, and kill it when it does not."""
    for number, within_s in ((first, STOP_WITHIN_S), (signal.SIGKILL, 2.0)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            _reap(pid)
            if not is_alive(pid):
                return
            time.sleep(0.02)


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
