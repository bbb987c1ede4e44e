"""A provider that does not exist, written from `adapters/README.md` alone: `lorelei.py` is its adapter,
`lorelei_emulator.py` its emulator, `lorelei.sql` its rows. The conformance suite runs over it like over the others."""

from typing import Any

from adapters.registry import HANDLERS
from core.provider import HandlerSpec

EMULATED = "tests.dialects.lorelei_emulator:Lorelei"
MODELS = {"lorelei.compose": "lorelei-2", "lorelei.embed": "lorelei-map-1"}
PARAMETERS: dict[str, dict[str, Any]] = {
    "lorelei.compose": {
        "sampling": "effort_none_only",
        "stop": "yes",
        "effort": ["none", "low", "medium", "high"],
        "tools": "yes",
    },
}
for spec in (
    HandlerSpec("lorelei.compose", "text", "tests.dialects.lorelei:compose"),
    HandlerSpec("lorelei.embed", "embedding", "tests.dialects.lorelei:embed"),
):
    HANDLERS.setdefault(spec.name, spec)
