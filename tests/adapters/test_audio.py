"""PCM to every format, and the length of every format."""

import io
import struct
from pathlib import Path

import mutagen
import numpy as np
import pytest

from adapters.audio import PCM_RATE, encode_pcm, measure_duration_s, mend_wav

SECONDS = 1.5


def tone(seconds: float = SECONDS, rate: int = PCM_RATE) -> bytes:
    return (np.sin(np.arange(int(seconds * rate)) / 20) * 12_000).astype("<i2").tobytes()


@pytest.mark.parametrize("target", ["mp3", "opus", "flac", "wav", "pcm"])
def test_what_is_encoded_is_as_long_as_it_was(target: str) -> None:
    audio = encode_pcm(tone(), target)
    assert measure_duration_s(audio, target) == pytest.approx(SECONDS, abs=0.06)
    if target != "pcm":
        measured = mutagen.File(io.BytesIO(audio))
        assert measured.info.length == pytest.approx(SECONDS, abs=0.1)


@pytest.mark.parametrize("target", ["mp3", "opus", "flac", "wav", "pcm"])
def test_another_rate_keeps_the_length(target: str) -> None:
    audio = encode_pcm(tone(rate=22_050), target, 22_050)
    assert measure_duration_s(audio, target) == pytest.approx(SECONDS, abs=0.06)


def test_aac_is_measured_by_its_frames() -> None:
    header = bytes([0xFF, 0xF1, 0x50, 0x80, 0x02, 0x1F, 0xFC])
    frame = header + bytes(16 - len(header))
    assert measure_duration_s(frame * 43, "aac") == pytest.approx(43 * 1024 / 44_100)


@pytest.mark.parametrize("target", ["mp3", "opus", "flac", "wav", "aac"])
def test_bytes_that_are_no_audio_are_refused(target: str) -> None:
    with pytest.raises(ValueError, match=f"not {target} audio"):
        measure_duration_s(b"this is not sound", target)


def test_a_format_that_is_not_made_here_is_refused() -> None:
    with pytest.raises(ValueError, match="aac cannot be encoded here"):
        encode_pcm(tone(), "aac")


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_streamed_wav_gets_its_real_size(tmp_path: Path, size: int) -> None:
    whole = encode_pcm(tone(), "wav")
    streamed = whole[:4] + struct.pack("<I", 0xFFFFFFFF) + whole[8:40] + struct.pack("<I", size) + whole[44:]
    assert mend_wav(streamed) == whole
    assert mend_wav(whole) == whole
    assert mend_wav(b"no wav") == b"no wav"
