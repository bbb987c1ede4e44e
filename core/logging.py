"""structlog, the same everywhere: JSON in a pipe, readable on a terminal, never a key or a prompt."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

SECRET_NAMES = re.compile(r"api_?key|authorization|password|secret|token$|credential", re.IGNORECASE)
SECRET_TEXTS = re.compile(r"(://[^:/@\s]*:)[^@/\s]+@|\b(sk|fk|xi|AIza)[-_]?[A-Za-z0-9_-]{16,}")


def _hide_secrets(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in event.items():
        if SECRET_NAMES.search(name):
            event[name] = "***"
        elif isinstance(value, str) and ("://" in value or len(value) > 20):
            event[name] = SECRET_TEXTS.sub(lambda match: f"{match[1]}***@" if match[1] else "***", value)
    return event


def set_up_logging(level: str = "info", form: str = "auto", *, program: str) -> None:
    """Route structlog and the standard library's loggers through one form. `form`: auto, json or console."""
    console = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if console else "iso", utc=not console),
        structlog.processors.format_exc_info,
        _hide_secrets,
    ]
    renderer: Any = (
        structlog.dev.ConsoleRenderer(pad_event_to=28) if console else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
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


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger; bind `job_id` and `project` with structlog.contextvars or `.bind`."""
    logger: structlog.stdlib.BoundLogger = structlog.get_logger(name)
    return logger
