"""structlog, the same everywhere: JSON in a pipe, readable on a terminal, never a key or a prompt."""

import logging
import re
import sys
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import orjson
import structlog

SECRET_NAMES = re.compile(r"api_?key|authorization|password|secret|token$|credential", re.IGNORECASE)
SECRET_TEXTS = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@|\b(sk|fk|xi|AIza)[-_]?[A-Za-z0-9_-]{16,}")


@cache
def _is_secret(name: str) -> bool:
    return SECRET_NAMES.search(name) is not None


def _hide_secrets(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if _is_secret(name):
            event[name] = "***"
        elif isinstance(value, str) and (len(value) > 20 or "://" in value):
            event[name] = SECRET_TEXTS.sub(lambda match: f"{match[1]}***@" if match[1] else "***", value)
    return event


def _say_who(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    event["logger"] = event.pop("logger_name", None)
    return event


def _to_json(event: MutableMapping[str, Any], **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS).decode()


def set_up_logging(level: str = "info", form: str = "auto", *, program: str) -> None:
    """Give structlog and the standard library's loggers one form. `form`: auto, json or console."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.format_exc_info,
        _hide_secrets,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(pad_event_to=28)
        if console
        else structlog.processors.JSONRenderer(serializer=_to_json)
    )
    structlog.configure(
        processors=[_say_who, *shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("arq").handlers.clear()
    for noisy in ("arq", "uvicorn", "httpx", "httpx2", "httpcore", "httpcore2", "openai", "google_genai", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")
    structlog.contextvars.bind_contextvars(program=program)


def get_logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """A logger; bind `job_id` and `project` with structlog.contextvars or `.bind`."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(logger_name=name)
    return logger
