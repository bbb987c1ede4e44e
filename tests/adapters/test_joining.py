"""Parts of a narration in one file: the right length, a header that is true, no click where they meet."""

import io
from itertools import pairwise
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile

from adapters.audio import PCM_RATE, encode_pcm, measure_duration_s
from adapters.joining import JoinedFile
from core.request import JOINABLE_FORMATS


def hum(seconds: float, rate: int = PCM_RATE) -> bytes:
    """A loud tone that is cut off in the middle of a swing at both ends."""
    times = np.arange(round(seconds * rate)) / rate
    return bytes((20_000 * np.cos(2 * np.pi * 201.3 * times)).astype("<i2").tobytes())


@pytest.mark.parametrize("target", sorted(JOINABLE_FORMATS))
def test_a_joined_file_is_as_long_as_its_parts_and_pauses(tmp_path: Path, target: str) -> None:
    path = tmp_path / f"joined.{target}"
    with JoinedFile(path, target) as joined:
        begins = []
        for seconds in (1.5, 0.7, 2.25):
            begins.append(joined.duration_s)
            joined.add(encode_pcm(hum(seconds), "flac"))
            joined.pause(0.25)
    assert begins == pytest.approx([0, 1.75, 2.7], abs=0.001)
    assert joined.duration_s == pytest.approx(5.2)
    whole = path.read_bytes()
    assert measure_duration_s(whole, target) == pytest.approx(5.2, abs=0.06)
    if target != "pcm":
        assert mutagen.File(io.BytesIO(whole)).info.length == pytest.approx(5.2, abs=0.1)


def test_there_is_no_click_where_parts_meet(tmp_path: Path) -> None:
    path = tmp_path / "joined.wav"
    with JoinedFile(path, "wav") as joined:
        for _ in range(3):
            joined.add(encode_pcm(hum(0.5), "flac"))
    samples, _ = soundfile.read(path, dtype="int16")
    steps = np.abs(np.diff(samples.astype(np.int32)))
    own = np.abs(np.diff(np.frombuffer(hum(0.5), dtype="<i2").astype(np.int32))).max()
    assert steps.max() <= own * 1.1
    for meeting, _ in pairwise((12_000, 24_000, 36_000)):
        assert abs(int(samples[meeting - 1])) < 200 > abs(int(samples[meeting]))


def test_a_part_at_another_rate_keeps_its_length_and_pitch(tmp_path: Path) -> None:
    path = tmp_path / "joined.wav"
    with JoinedFile(path, "wav") as joined:
        joined.add(encode_pcm(hum(1.0, 44_100), "flac", 44_100))
    samples, rate = soundfile.read(path)
    loudest = np.argmax(np.abs(np.fft.rfft(samples))) * rate / len(samples)
    assert joined.duration_s == pytest.approx(1.0, abs=0.01)
    assert loudest == pytest.approx(201, abs=2)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with JoinedFile(tmp_path / "joined.wav", "wav") as joined, pytest.raises(ValueError, match="no recording"):
        joined.add(b"ID3 and nothing behind it")
    with pytest.raises(ValueError, match="aac cannot be joined"):
        JoinedFile(tmp_path / "joined.aac", "aac")
