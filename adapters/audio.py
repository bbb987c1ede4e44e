"""Audio in memory: PCM to the format that was asked for, and how long a recording is.

`pcm` is always headerless 16-bit little-endian mono at 24 kHz. Encoding is slow (10 ms a second of Opus):
call it in a thread. Needs libsndfile, which is loaded on first use.
"""

import io
import struct
from collections.abc import Mapping
from typing import Any

PCM_RATE = 24_000

CONTAINERS: Mapping[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III", "compression_level": 0.2},
    "opus": {"format": "OGG", "subtype": "OPUS"},
}
_ADTS_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_ADTS_SAMPLES = 1024


def encode_pcm(pcm: bytes, target: str, rate: int = PCM_RATE) -> bytes:
    """16-bit mono PCM as `wav flac mp3 opus pcm`. Opus comes in an Ogg file; `pcm` is resampled to 24 kHz."""
    if target not in CONTAINERS and target != "pcm":
        raise ValueError(f"{target} cannot be encoded here; known are pcm, {', '.join(CONTAINERS)}")
    if rate != PCM_RATE and target in ("pcm", "opus"):
        pcm, rate = resample_pcm(pcm, rate), PCM_RATE
    pcm = pcm[: len(pcm) // 2 * 2]
    if target == "pcm":
        return pcm
    import numpy as np
    import soundfile

    file = io.BytesIO()
    soundfile.write(file, np.frombuffer(pcm, dtype="<i2"), rate, **CONTAINERS[target])
    return file.getvalue()


def resample_pcm(pcm: bytes, rate: int) -> bytes:
    """16-bit mono PCM at 24 kHz."""
    import numpy as np

    samples = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2")
    places = np.arange(len(samples) * PCM_RATE // rate) * (rate / PCM_RATE)
    return bytes(np.interp(places, np.arange(len(samples)), samples).astype("<i2").tobytes())


def measure_duration_s(audio: bytes, target: str) -> float:
    """Seconds of sound in `mp3 opus aac flac wav pcm`. Raises ValueError for bytes that are not that."""
    if target == "pcm":
        return len(audio) / 2 / PCM_RATE
    if target == "aac":
        return _adts_duration_s(audio)
    import soundfile

    try:
        info = soundfile.info(io.BytesIO(audio))
    except soundfile.SoundFileError as fault:
        raise ValueError(f"these {len(audio)} bytes are not {target} audio") from fault
    return float(info.frames / info.samplerate)


def mend_wav(audio: bytes) -> bytes:
    """A WAV whose sizes are right. A server that streams does not know them and writes 0 or 0xFFFFFFFF."""
    if audio[:4] != b"RIFF" or audio[8:12] != b"WAVE":
        return audio
    place = 12
    while place + 8 <= len(audio):
        name, size = audio[place : place + 4], int.from_bytes(audio[place + 4 : place + 8], "little")
        if name == b"data":
            there = len(audio) - place - 8
            if 0 < size <= there:
                return audio
            sizes = struct.pack("<I", len(audio) - 8), struct.pack("<I", there)
            return audio[:4] + sizes[0] + audio[8 : place + 4] + sizes[1] + audio[place + 8 :]
        place += 8 + size + size % 2
    return audio


def _adts_duration_s(audio: bytes) -> float:
    """AAC as it is streamed: a chain of ADTS frames of 1024 samples a block."""
    place, seconds = 0, 0.0
    while place + 7 <= len(audio):
        if audio[place] != 0xFF or audio[place + 1] & 0xF6 != 0xF0:
            break
        rate_number = audio[place + 2] >> 2 & 0xF
        length = (audio[place + 3] & 3) << 11 | audio[place + 4] << 3 | audio[place + 5] >> 5
        if rate_number >= len(_ADTS_RATES) or length < 7:
            break
        seconds += _ADTS_SAMPLES * ((audio[place + 6] & 3) + 1) / _ADTS_RATES[rate_number]
        place += length
    if not seconds:
        raise ValueError(f"these {len(audio)} bytes are not aac audio")
    return seconds
