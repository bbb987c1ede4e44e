import json
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.jsonio import decimal_text, dump_json


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=15))
def test_money_leaves_as_a_number_with_its_exact_digits(amount: Decimal) -> None:
    text = dump_json({"cost": amount}).decode()
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal)["cost"] == amount
    assert "e" not in text.lower().replace("cost", "")


def test_trailing_zeros_are_not_shown() -> None:
    assert decimal_text(Decimal("0.00200")) == "0.002"
    assert decimal_text(Decimal(100)) == "100"
    assert decimal_text(Decimal("0E-8")) == "0"


def test_times_carry_their_zone_and_ids_are_text() -> None:
    one = uuid4()
    assert json.loads(dump_json([datetime(2026, 1, 2, tzinfo=UTC), one])) == ["2026-01-02T00:00:00Z", str(one)]


def test_what_has_no_form_is_refused() -> None:
    with pytest.raises(TypeError):
        dump_json(object())
