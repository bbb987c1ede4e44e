"""Runs programs beside each other: prefixed logs, restarts, and an orderly end."""

import os
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

STOP_WITHIN_S = 35.0
QUICK_S = 3.0
BACKOFF_S = (0.5, 1.0, 2.0, 5.0, 10.0)


@dataclass(slots=True)
class Program:
    """A command that should run. `crashes` counts those that came too quickly after a start."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    crashes: int = 0
    restart_at: float | None = None
    pump: threading.Thread | None = field(default=None, repr=False)


class Supervisor:
    """`start`, then `watch` until `ask_to_stop`, then `stop`. `say(name, line)` gets every line of every program."""

    def __init__(self, programs: Sequence[Program], say: Callable[[str, str], None]) -> None:
        self._programs = list(programs)
        self._say = say
        self._stopping = threading.Event()
        self._hurry = False

    def start(self) -> None:
        for program in self._programs:
            self._launch(program)

    def ask_to_stop(self) -> None:
        """The second time it means now."""
        self._hurry = self._stopping.is_set()
        self._stopping.set()

    def watch(self) -> None:
        """Restart what dies, with growing pauses, until asked to stop."""
        while not self._stopping.wait(0.2):
            for program in self._programs:
                self._look_after(program)

    def wait_for(self, url: str, within_s: float) -> bool:
        """Until the URL answers 200; False when a program died or the time ran out."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and not self._stopping.is_set():
            try:
                with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310  our own address
                    if answer.status == 200:
                        return True
            except (urllib.error.URLError, OSError):
                pass
            if any(one.process is not None and one.process.poll() is not None for one in self._programs):
                return False
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        """In the order they were started; a worker lets its jobs finish."""
        self._stopping.set()
        for program in self._programs:
            if program.process is not None and program.process.poll() is None:
                program.process.send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_WITHIN_S
        for program in self._programs:
            if program.process is None:
                continue
            while program.process.poll() is None and time.monotonic() < until and not self._hurry:
                time.sleep(0.02)
            if program.process.poll() is None:
                os.killpg(program.process.pid, signal.SIGKILL)  # with what it started itself
            program.process.wait()
            if program.pump is not None:
                program.pump.join(timeout=2)

    def _launch(self, program: Program) -> None:
        program.process = subprocess.Popen(
            program.command,
            env={**program.environment, "FACTORY_PARENT_PID": str(os.getpid())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        program.started_at, program.restart_at = time.monotonic(), None
        program.pump = threading.Thread(target=self._pump, args=(program, program.process), daemon=True)
        program.pump.start()

    def _look_after(self, program: Program) -> None:
        now = time.monotonic()
        if program.restart_at is not None:
            if now >= program.restart_at:
                self._launch(program)
            return
        if program.process is None or program.process.poll() is None:
            return
        program.crashes = program.crashes + 1 if now - program.started_at < QUICK_S else 1
        pause = BACKOFF_S[min(program.crashes, len(BACKOFF_S)) - 1]
        self._say(
            "factory", f"{program.name} ended with {program.process.returncode}; starting it again in {pause:g} s"
        )
        program.restart_at = now + pause

    def _pump(self, program: Program, process: "subprocess.Popen[bytes]") -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                self._say(program.name, line.decode(errors="replace").rstrip("\n"))
