from typing import Any

import pytest

from core.request import JobRequest
from core.tiers import asked_tier, served_tier


@pytest.mark.parametrize(
    ("options", "defaults", "asked"),
    [
        ({}, {}, None),
        ({"service_tier": "Flex"}, {}, "flex"),
        ({"serviceTier": "priority"}, {}, "priority"),
        ({"service_tier": "auto"}, {"service_tier": "flex"}, None),
        ({}, {"service_tier": "flex"}, "flex"),
        ({"service_tier": None}, {}, None),
        ({"service_tier": "standard_only"}, {}, None),
        ({"speed": "fast"}, {}, "fast"),
        ({"speed": 1.2}, {}, None),
    ],
)
def test_a_tier_is_asked_for_by_the_request_or_else_by_the_alias(
    options: dict[str, Any], defaults: dict[str, Any], asked: str | None
) -> None:
    request = JobRequest(
        model="fast", prompt="x", provider_options={"openai": options, "google": {"service_tier": "x"}}
    )
    assert asked_tier(request, "openai", {"provider_options": {"openai": defaults}}) == asked


@pytest.mark.parametrize(
    ("asked", "told", "served"),
    [
        (None, None, None),
        (None, "default", None),
        (None, "priority", "priority"),
        ("priority", "default", None),
        ("flex", "FLEX", "flex"),
        ("flex", None, "untold"),
    ],
)
def test_the_tier_that_served_is_the_one_that_the_answer_tells(
    asked: str | None, told: str | None, served: str | None
) -> None:
    assert served_tier(asked, told) == served
