"""How the emulator is run."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EmulatorSettings:
    """`latency_ms` is the median of a text call; speech takes a third longer, embeddings a fifth of it. `dialects`
    are further ones, as `module:Class`; each is served below its provider's name."""

    host: str = "127.0.0.1"
    port: int = 0
    latency_ms: int = 300
    ready_file: Path | None = None
    dialects: tuple[str, ...] = ()
