"""structlog, the same everywhere: JSON in a pipe, readable on a terminal, never a key or a prompt."""

import contextlib
import logging
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, MutableMapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, TextIO

import orjson
import structlog

from core.clock import utc_now

SECRET_NAMES = re.compile(r"api_?key|authorization|password|secret|token$|credential", re.IGNORECASE)
_ABOUT: ContextVar[Mapping[str, Any]] = ContextVar("about", default={})  # noqa: B039  it is never changed
_HELD: ContextVar[defaultdict[TextIO, list[str]] | None] = ContextVar("held", default=None)
_OURS = frozenset({"job_id", "level", "logger", "program", "timestamp"})  # nobody else writes into these
SECRET_TEXTS = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@|\b(sk|fk|xi|AIza)[-_]?[A-Za-z0-9_-]{16,}")


@lru_cache(maxsize=1024)
def _looked_at(names: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Those that are secrets, and those of the others whose text may hold one."""
    secret = [name for name in names if SECRET_NAMES.search(name)]
    return secret, [name for name in names if name not in _OURS and name not in secret]


def _hide_secrets(event: MutableMapping[str, Any]) -> None:
    secret, others = _looked_at(tuple(event))
    for name in secret:
        event[name] = "***"
    for name in others:
        value = event[name]
        if isinstance(value, str) and (len(value) > 20 or "://" in value):
            event[name] = SECRET_TEXTS.sub(lambda match: f"{match[1]}***@" if match[1] else "***", value)


class lines_about:  # noqa: N801  as a context manager
    """Every line that is written in here says it. Cheaper than structlog's own, which goes over the whole context."""

    def __init__(self, **what: Any) -> None:
        self._what = what

    def __enter__(self) -> None:
        self._token = _ABOUT.set({**_ABOUT.get(), **self._what})

    def __exit__(self, *_: object) -> None:
        _ABOUT.reset(self._token)


def _complete(_logger: object, level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Who says it, about what, how loudly and when; without secrets. One step, since every job has its lines."""
    event = {**_ABOUT.get(), **event}
    if "logger_name" in event:
        event["logger"] = event.pop("logger_name")
    event["level"] = level
    event["timestamp"] = utc_now()
    _hide_secrets(event)
    return event


def _shown_short(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["timestamp"] = event["timestamp"].astimezone().strftime("%H:%M:%S")
    return event


def _to_json(_logger: object, _name: str, event: MutableMapping[str, Any]) -> str:
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_UTC_Z | orjson.OPT_PASSTHROUGH_DATACLASS
    return orjson.dumps(event, default=str, option=options).decode()


def _write(stream: TextIO, lines: list[str]) -> None:
    """A line that nobody can take any more, such as of a program whose parent was killed, is not worth an error."""
    with contextlib.suppress(OSError, ValueError):
        stream.write("\n".join([*lines, ""]))
        stream.flush()


@contextlib.contextmanager
def lines_together() -> Iterator[None]:
    """What is said in here is written at its end, at once: for a group of which each has its line."""
    held: defaultdict[TextIO, list[str]] = defaultdict(list)
    token = _HELD.set(held)
    try:
        yield
    finally:
        _HELD.reset(token)
        for stream, lines in held.items():
            _write(stream, lines)


class _Writer:
    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        held = _HELD.get()
        if held is None:
            _write(self._stream, [line])
        else:
            held[self._stream].append(line)

    debug = info = warning = error = critical = msg


def set_up_logging(level: str = "info", form: str = "auto", *, program: str) -> None:
    """Give structlog and the standard library's loggers one form. `form`: auto, json or console."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [structlog.processors.format_exc_info, _complete]
    rendering: list[Any] = [_shown_short, structlog.dev.ConsoleRenderer(pad_event_to=28)] if console else [_to_json]
    writer = _Writer(sys.stderr)
    structlog.configure(
        processors=[*shared, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("arq").handlers.clear()
    for noisy in ("arq", "uvicorn", "httpx", "httpx2", "httpcore", "httpcore2", "openai", "google_genai", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")
    _ABOUT.set({**_ABOUT.get(), "program": program})


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; bind `job_id` and `project` with `lines_about` or `.bind`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger
