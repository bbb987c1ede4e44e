"""The emulator with the invented dialect."""

from tests.adapters.conftest import emulator_url

__all__ = ["emulator_url"]
