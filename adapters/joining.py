"""Recordings one after the other in one file, without clicks where they meet.

Parts are FLAC, so that nothing is lost before the one encoding at the end. Slow for long narrations (6 ms a second of
mp3, 17 of Opus): call it in a thread. One part at a time is in memory.
"""

import io
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from adapters.audio import CONTAINERS, PCM_RATE, resample_pcm
from core.request import JOINABLE_FORMATS

PART_FORMAT = "flac"
PARAGRAPH_PAUSE_S = 0.35
SENTENCE_PAUSE_S = 0.1
_FADE_S = 0.005


class JoinedFile:
    """Written at `path` while parts are added; whole and with the right header once closed. Mono at 24 kHz."""

    def __init__(self, path: Path, target: str) -> None:
        if target not in JOINABLE_FORMATS:
            raise ValueError(f"{target} cannot be joined here; known are {', '.join(sorted(JOINABLE_FORMATS))}")
        import soundfile

        shape = {"format": "RAW", "subtype": "PCM_16", "endian": "LITTLE"} if target == "pcm" else CONTAINERS[target]
        self._file: Any = soundfile.SoundFile(path, "w", samplerate=PCM_RATE, channels=1, **shape)
        self._frames = 0

    @property
    def duration_s(self) -> float:
        """Of what was added so far."""
        return self._frames / PCM_RATE

    def add(self, recording: bytes) -> None:
        """One part, faded at both ends. Raises ValueError for bytes that are no recording."""
        samples = _read(recording)
        self._file.write(_fade(samples))
        self._frames += len(samples)

    def pause(self, seconds: float) -> None:
        """Silence before the next part."""
        import numpy as np

        frames = round(seconds * PCM_RATE)
        self._file.write(np.zeros(frames, dtype="<i2"))
        self._frames += frames

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def _read(recording: bytes) -> Any:
    import numpy as np
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(recording), dtype="int16", always_2d=True)
    except soundfile.SoundFileError as fault:
        raise ValueError(f"these {len(recording)} bytes are no recording") from fault
    mono = samples[:, 0]
    return mono if rate == PCM_RATE else np.frombuffer(resample_pcm(mono.astype("<i2").tobytes(), rate), dtype="<i2")


def _fade(samples: Any) -> Any:
    import numpy as np

    length = min(round(_FADE_S * PCM_RATE), len(samples) // 2)
    if not length:
        return samples
    faded = samples.astype(np.float32)
    slope = np.linspace(0, 1, length, dtype=np.float32)
    faded[:length] *= slope
    faded[-length:] *= slope[::-1]
    return faded.astype("<i2")
