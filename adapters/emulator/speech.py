"""Sound that is a real, playable file of about the right length: a soft, voice-like hum in syllables."""

import io
from functools import lru_cache
from typing import Any

CHARACTERS_PER_SECOND = 15.0
PCM_RATE = 24_000
_CONTAINERS = {
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "opus": ("OGG", "OPUS"),
    "flac": ("FLAC", "PCM_16"),
    "wav": ("WAV", "PCM_16"),
}


def spoken_seconds(text: str, speed: float = 1.0) -> float:
    """How long somebody would take to say it."""
    return max(0.4, len(text) / CHARACTERS_PER_SECOND / speed)


def make_sound(seconds: float, form: str, rate: int = PCM_RATE) -> bytes:
    """A file of that form; `pcm` is 16-bit mono without a header. Raises KeyError for a form it cannot encode."""
    return _encode(round(seconds * 10), form, rate)


@lru_cache(maxsize=16)
def _encode(tenths: int, form: str, rate: int) -> bytes:
    import numpy as np

    samples = np.resize(_hum(rate), tenths * rate // 10)
    if form == "pcm":
        return samples.tobytes()
    import soundfile

    container, subtype = _CONTAINERS[form]
    target = io.BytesIO()
    soundfile.write(target, samples, rate, format=container, subtype=subtype)
    return target.getvalue()


@lru_cache(maxsize=8)
def _hum(rate: int) -> Any:
    """Ten seconds, after which it goes on as it began."""
    import numpy as np

    times = np.arange(10 * rate) / rate
    syllables = 0.55 + 0.45 * np.sin(2 * np.pi * 3.1 * times)
    pitch = 2 * np.pi * (135 * times + 2.5 * np.sin(2 * np.pi * 0.4 * times))
    voice = syllables * (0.6 * np.sin(pitch) + 0.25 * np.sin(2 * pitch) + 0.1 * np.sin(5 * pitch))
    return np.asarray(voice * 0.25 * 32767, dtype="<i2")
