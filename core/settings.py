"""Settings from the environment, and the one place that reads it."""

import contextlib
import os
import secrets
import sys
from functools import cache
from pathlib import Path

import orjson
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from core.errors import ConfigurationError
from core.outbound import Allowed

PROVIDER_KEY_NAMES = (
    "OPENAI_API_KEY",
    "GOOGLE_API_KEY",
    "GEMINI_API_KEY",
    "ANTHROPIC_API_KEY",
    "MISTRAL_API_KEY",
    "ELEVENLABS_API_KEY",
)
SHORTEST_SECRET = 32


class Settings(BaseSettings):
    """Everything that can be set, each as `FACTORY_NAME`. URLs left out mean the embedded servers under `home`."""

    model_config = SettingsConfigDict(env_prefix="FACTORY_", extra="ignore", env_ignore_empty=True)

    database_url: str | None = None
    database_pool_size: int = Field(default=10, ge=2, le=1000)
    database_statement_cache: bool = True
    redis_url: str | None = None
    home: Path = Path(".factory")
    storage_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8400, ge=0, le=65535)
    url: str | None = None
    api_key: str | None = None
    secret_key: str | None = None
    emulator_url: str | None = None
    webhook_allow: str = ""
    lease_s: float = Field(default=9.0, ge=1, le=600)
    worker_pools: str = Field(default="text,speech", pattern="^(text|speech)(,(text|speech))*$")
    worker_slots: int = Field(default=20, ge=1, le=10_000)
    max_attempts: int = Field(default=8, ge=1, le=100)
    rest_patience_s: float = Field(default=900.0, ge=0)
    voice_attempts: int = Field(default=100, ge=1, le=100_000)
    speech_parts_at_once: int = Field(default=3, ge=1, le=100)
    max_lost_leases: int = Field(default=5, ge=1, le=100)
    limit_patience_s: float = Field(default=10.0, ge=0, le=300)
    retry_base_s: float = Field(default=1.0, gt=0)
    retry_cap_s: float = Field(default=60.0, gt=0)
    call_timeout_s: float = Field(default=240.0, gt=0)
    job_timeout_s: int = Field(default=300, ge=5)
    drain_s: int = Field(default=30, ge=1)
    target_wait_s: float = Field(default=10.0, gt=0)
    cool_down_s: float = Field(default=120.0, ge=0)
    forecast: bool = True
    forecast_ahead_s: float = Field(default=120.0, ge=0, le=86_400)
    min_workers: int = Field(default=1, ge=0, le=1000)
    max_workers: int = Field(default=6, ge=1, le=1000)
    max_body_mb: int = Field(default=64, ge=1, le=1024)
    body_timeout_s: float = Field(default=60.0, gt=0)
    header_timeout_s: float = Field(default=20.0, gt=0)
    heartbeat_s: float = Field(default=15.0, gt=0)
    notice_s: float = Field(default=1.0, ge=0, le=600)
    grace_s: int = Field(default=5, ge=1, le=600)
    cors_origins: str = ""
    alert_webhook_url: str | None = None
    alert_webhook_secret: str | None = None
    alert_wait_s: float = Field(default=900.0, gt=0)
    alert_breaker_s: float = Field(default=300.0, gt=0)
    traces: str = Field(default="off", pattern="^(off|otlp)$")
    metrics_port: int | None = Field(default=None, ge=0, le=65535)
    log_level: str = "info"
    log_format: str = Field(default="auto", pattern="^(auto|json|console)$")

    @property
    def pools(self) -> tuple[str, ...]:
        """Kinds of work that a worker takes; the first goes first."""
        return tuple(dict.fromkeys(self.worker_pools.split(",")))

    @field_validator("webhook_allow")
    @classmethod
    def _readable(cls, text: str) -> str:
        Allowed.of(text)
        return text

    @property
    def webhooks_allowed(self) -> Allowed:
        """Hosts and networks that webhooks may go to although they are inside, or speak no TLS."""
        return Allowed.of(self.webhook_allow)

    @property
    def allowed_origins(self) -> tuple[str, ...]:
        """Whose pages a browser lets read our answers."""
        return tuple(one.strip() for one in self.cors_origins.split(",") if one.strip())

    @property
    def storage_place(self) -> str:
        """Where audio goes: a directory or a URL."""
        return self.storage_url or str(self.home / "storage")


def read_secret(settings: Settings) -> bytes:
    """What links and webhooks are signed with: FACTORY_SECRET_KEY, else a file under `home` that the first
    process makes.

    Raises ConfigurationError where there is neither: then nothing is signed, and no signature is believed.
    """
    if settings.secret_key:
        return _long_enough(settings.secret_key.encode(), "FACTORY_SECRET_KEY")
    path = settings.home / "secret.key"
    try:
        if not path.exists():
            _make_secret(path)
        found = path.read_bytes().strip()
    except OSError as error:
        raise ConfigurationError(
            f"links cannot be signed: {path} can be neither read nor made ({error.strerror}). Set FACTORY_SECRET_KEY."
        ) from error
    return _long_enough(found, str(path))


def _long_enough(secret: bytes, where: str) -> bytes:
    """One link is enough to try out every short secret."""
    if len(secret) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"links cannot be signed: {where} holds {len(secret)} characters and {SHORTEST_SECRET} are needed, such as "
            "`openssl rand -hex 32` gives"
        )
    return secret


def _make_secret(path: Path) -> None:
    """Whole or not at all, and on disk; where two processes make one, both go on with that of the first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".secret.key.{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(SHORTEST_SECRET))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def read_settings() -> Settings:
    """The environment as it is now; what it leaves out is taken from the servers that run under `home`."""
    settings = Settings()
    running = settings.home / "run.json"
    try:
        found = orjson.loads(running.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return settings
    names = ("database_url", "redis_url", "emulator_url")
    return settings.model_copy(update={name: getattr(settings, name) or found.get(name) for name in names})


def require_urls(settings: Settings) -> tuple[str, str]:
    """Database and Redis URL. Raises ConfigurationError that says how to get them."""
    if settings.database_url and settings.redis_url:
        return settings.database_url, settings.redis_url
    missing = "FACTORY_DATABASE_URL" if not settings.database_url else "FACTORY_REDIS_URL"
    raise ConfigurationError(
        f"{missing} is not set and no embedded servers run under {settings.home}. "
        "Start `factory up`, or set the variable."
    )


def has_provider_keys() -> bool:
    """Is there a key of any provider in the environment?"""
    return any(os.environ.get(name) for name in PROVIDER_KEY_NAMES)


@cache
def _read_secret_file(path: str, _changed_ns: int) -> str:
    return Path(path).read_text(encoding="utf-8").strip()


def resolve_secret(reference: str) -> str | None:
    """The secret behind `env:NAME` (or `env:NAME,OTHER`: the first that is set) or `file:PATH`; None when not there.

    Files are read again when they change, so that a rotated key needs no restart.
    """
    scheme, _, place = reference.partition(":")
    if scheme == "env":
        return next((value for name in place.split(",") if (value := os.environ.get(name.strip()))), None)
    try:
        return _read_secret_file(place, Path(place).stat().st_mtime_ns) or None
    except OSError:
        return None


def child_environment(**changes: str) -> dict[str, str]:
    """This process's environment with changes, for a program to start."""
    return {**os.environ, "PYTHONUNBUFFERED": "1", **changes}


def python_program(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules with this Python."""
    return [sys.executable, "-m", module, *arguments]
