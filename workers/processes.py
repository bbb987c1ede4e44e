"""Worker processes on this machine: started, told to leave, kept, and started anew when they die."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.logging import get_logger
from core.scaling import restart_after_s
from workers.last_words import LastWords

QUICK_S = 5.0
STARTING_S = 20.0  # who has said nothing for so long is not waited for
_LEFT = (0, -signal.SIGUSR1, -signal.SIGUSR2)
log = get_logger(__name__)


@dataclass(slots=True)
class Member:
    """`leaving`: it was told to end its jobs and go. `told`: it was so once; told to stay after all, it may have been
    on its way out."""

    process: "subprocess.Popen[bytes]"
    started_s: float
    words: LastWords
    leaving: bool = False
    told: bool = False

    @property
    def died(self) -> bool:
        """It ended, and not because it was told to."""
        return not self.told or self.process.returncode not in _LEFT


class WorkerProcesses:
    """`resize` again and again; times are those of `time.monotonic`."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = command
        self._environment = {**environment, "FACTORY_PARENT_PID": str(os.getpid())}
        self._members: list[Member] = []
        self._crashes = 0
        self._rests_until_s = 0.0

    @property
    def count(self) -> int:
        """Those that are to stay."""
        return sum(not one.leaving for one in self._members)

    @property
    def leaving(self) -> int:
        return len(self._members) - self.count

    def reap(self, now_s: float) -> None:
        """Take note of those that have ended; who died gets a pause before another takes its place."""
        for one in [member for member in self._members if member.process.poll() is not None]:
            self._members.remove(one)
            if not one.died:
                log.info("worker left", worker_pid=one.process.pid)
                continue
            self._crashes = self._crashes + 1 if now_s - one.started_s < QUICK_S else 1
            pause_s = restart_after_s(self._crashes)
            self._rests_until_s = now_s + pause_s
            log.warning(
                "worker ended",
                worker_pid=one.process.pid,
                code=one.process.returncode,
                lived_s=round(now_s - one.started_s, 1),
                another_in_s=pause_s,
                last_words=one.words.read(),
            )

    def resize(self, target: int, most: int, now_s: float, busy: Mapping[int, int]) -> None:
        """Towards so many; those that are still leaving count against `most`. `busy`: jobs of those that are up, by
        process id. No more start beside each other than there are cores: all of them would be up later."""
        for one in self._members:
            if one.leaving and self.count < target:
                one.leaving = False
                _tell(one, signal.SIGUSR1)
        starting = sum(one.process.pid not in busy and now_s - one.started_s < STARTING_S for one in self._members)
        room = min(target - self.count, most - len(self._members), (os.cpu_count() or 1) - starting)
        for _ in range(room if now_s >= self._rests_until_s else 0):
            self._start(now_s)
        staying = sorted(
            (one for one in self._members if not one.leaving), key=lambda one: busy.get(one.process.pid, 0)
        )
        for one in staying[: max(0, self.count - target)]:
            one.leaving = one.told = True
            _tell(one, signal.SIGUSR2)

    def stop(self) -> None:
        """All of them, as by SIGTERM: their jobs have the drain time, the rest goes back into line."""
        for one in self._members:
            _tell(one, signal.SIGTERM)
        for one in self._members:
            one.process.wait()
            one.words.read()

    def _start(self, now_s: float) -> None:
        process = subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        assert process.stderr is not None
        self._members.append(Member(process, now_s, LastWords(process.stderr)))
        log.info("worker started", worker_pid=process.pid)


def _tell(member: Member, number: signal.Signals) -> None:
    if member.process.poll() is None:
        member.process.send_signal(number)


def monotonic_s() -> float:
    """The clock of everything here."""
    return time.monotonic()
