from datetime import UTC, datetime, timedelta

import pytest

from core.ids import first_id_at, id_of_line, new_id


def test_ids_of_lines_are_in_order_and_the_same_for_everybody() -> None:
    batch, other = new_id(), new_id()
    ids = [id_of_line(batch, line) for line in (1, 2, 255, 256, 100_000, (1 << 20) - 1)]
    assert ids == sorted(ids)
    assert ids == [id_of_line(batch, line) for line in (1, 2, 255, 256, 100_000, (1 << 20) - 1)]
    assert {(one.version, one.variant) for one in ids} == {(7, batch.variant)}
    assert {one.int >> 80 for one in ids} == {batch.int >> 80}
    assert id_of_line(other, 1) != ids[0]
    for line in (0, 1 << 20):
        with pytest.raises(ValueError, match="outside"):
            id_of_line(batch, line)


def test_what_is_made_later_has_a_larger_id() -> None:
    now = datetime.now(UTC)
    assert first_id_at(now - timedelta(seconds=1)) < new_id() < first_id_at(now + timedelta(seconds=60))
