import contextlib
import io
import json
import logging
from collections.abc import Iterator
from unittest.mock import Mock

import pytest
import structlog

from core.logging import get_logger, lines_about, lines_together, set_up_logging


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    monkeypatch.setattr("sys.stderr", stream)
    set_up_logging("info", "json", program="test")
    yield stream
    logging.getLogger().handlers[:], logging.getLogger().level = handlers, level
    structlog.reset_defaults()


def test_a_line_is_json_with_what_is_bound(written: io.StringIO) -> None:
    with lines_about(job_id="j1", project="nicestory"):
        get_logger("x").info("call", cost_usd="0.1")
    line = json.loads(written.getvalue())
    assert {"job_id": "j1", "project": "nicestory", "event": "call", "program": "test"}.items() <= line.items()


def test_lines_of_a_group_are_written_at_its_end(written: io.StringIO) -> None:
    with contextlib.suppress(ValueError), lines_together():
        get_logger("x").info("one")
        get_logger("x").info("two")
        assert written.getvalue() == ""
        raise ValueError("of the third")
    get_logger("x").info("after")
    assert [json.loads(line)["event"] for line in written.getvalue().splitlines()] == ["one", "two", "after"]


def test_other_libraries_write_the_same_form(written: io.StringIO) -> None:
    logging.getLogger("somebody.else").info("hello %s", "there")
    assert json.loads(written.getvalue())["event"] == "hello there"


@pytest.mark.parametrize(
    ("fields", "secret"),
    [
        ({"api_key": "abc"}, "abc"),
        ({"Authorization": "Bearer abcdef"}, "abcdef"),
        ({"error": "cannot reach postgresql://me:hunter2@db/x"}, "hunter2"),
        ({"error": "Incorrect API key provided: sk-abcdefghijklmnopqrstuv"}, "sk-abcdefghijklmnopqrstuv"),
    ],
)
def test_no_secret_is_written(written: io.StringIO, fields: dict[str, str], secret: str) -> None:
    get_logger("x").warning("trouble", **fields)
    assert secret not in written.getvalue()


def test_a_line_that_nobody_takes_is_no_error(monkeypatch: pytest.MonkeyPatch, written: io.StringIO) -> None:
    monkeypatch.setattr(written, "write", Mock(side_effect=BrokenPipeError))
    get_logger("x").info("nobody reads this any more")
    assert written.getvalue() == ""
