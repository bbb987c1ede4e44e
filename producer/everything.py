"""API, workers and (without provider keys) the emulator on this machine, as `factory up` and the demo run them."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from core.errors import ConfigurationError
from core.settings import Settings, has_provider_keys, python_program
from producer.cli.programs import default_key, environment_of, operators_key, prepared
from producer.embedded.permissions import write_private
from producer.supervisor import Program, Supervisor

READY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Everything:
    """What is up. `emulated`: answers of shipped endpoints come from the emulator."""

    settings: Settings
    supervisor: Supervisor
    url: str
    api_key: str
    emulated: bool


@contextlib.contextmanager
def everything(
    say: Callable[[str, str], None],
    *,
    host: str | None,
    port: int | None,
    workers: tuple[int, int],
    any_port: bool = False,
    environment_changes: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Everything]:
    """Up and ready; `workers`: at least and at most so many. Raises ConfigurationError when the port is taken or a
    program does not come up."""
    with prepared(emulator=True) as served:
        settings = _settle_port(
            served.model_copy(update={"host": host or served.host, "port": port or served.port}), any_port=any_port
        )
        environment = {"FACTORY_NOTICE_S": "0", **environment_of(settings), **environment_changes}
        programs = [
            Program("api", python_program("producer"), environment),
            _autoscaler(settings, workers, environment),
        ]
        supervisor = Supervisor(programs, say)
        api_key = asyncio.run(default_key(settings))
        asyncio.run(operators_key(settings))
        supervisor.start()
        try:
            url = f"http://{settings.host}:{settings.port}"
            if not supervisor.wait_for(f"{url}/readyz", READY_WITHIN_S):
                raise ConfigurationError("the API or the worker did not come up; its last lines say why")
            write_private(settings.home / "url", url)
            yield Everything(settings, supervisor, url, api_key, emulated=not has_provider_keys())
        finally:
            (settings.home / "url").unlink(missing_ok=True)
            supervisor.stop()


def _autoscaler(settings: Settings, workers: tuple[int, int], environment: Mapping[str, str]) -> Program:
    """It asks the API from this machine, so it needs no key."""
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    asked = ("--min", str(workers[0]), "--max", str(workers[1]), "--url", f"http://{host}:{settings.port}")
    return Program("workers", python_program("workers.autoscaling", *asked), environment)


def _settle_port(settings: Settings, *, any_port: bool) -> Settings:
    if not _is_taken(settings.host, settings.port):
        return settings
    if any_port:
        return settings.model_copy(update={"port": _free_port(settings.host)})
    raise ConfigurationError(
        f"port {settings.port} of {settings.host} is in use; choose another with --port or FACTORY_PORT"
    )


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listening:
        port: int = listening.getsockname()[1]
        return port
