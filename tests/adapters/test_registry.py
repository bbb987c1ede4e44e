"""The registry is data: knowing a handler loads no SDK."""

import subprocess
import sys

import pytest

from adapters.pool import ProviderPool
from adapters.registry import HANDLERS, import_handler, load_handler
from core.errors import ConfigurationError

HEAVY = ("openai", "google.genai", "anthropic", "elevenlabs", "httpx", "httpx2", "numpy", "soundfile")


def test_importing_the_registry_loads_no_sdk() -> None:
    code = f"import sys, adapters.registry; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(HANDLERS))
def test_every_loader_leads_to_a_function(name: str) -> None:
    assert callable(load_handler(name, ProviderPool()))
    assert bool(HANDLERS[name].formats) == (HANDLERS[name].kind == "speech")


def test_an_unknown_handler_is_a_matter_of_configuration() -> None:
    with pytest.raises(ConfigurationError, match=r"no handler 'openai\.telepathy'"):
        load_handler("openai.telepathy", ProviderPool())


@pytest.mark.parametrize("name", sorted(HANDLERS))
async def test_what_a_handler_needs_is_imported_beside_the_loop(name: str) -> None:
    await import_handler(name)
    assert {HANDLERS[name].module, HANDLERS[name].sdk} - {""} <= sys.modules.keys()
    before = set(sys.modules)
    load_handler(name, ProviderPool())
    assert set(sys.modules) == before
