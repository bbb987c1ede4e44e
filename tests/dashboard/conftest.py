"""The API over a real socket, for the live feed."""

from tests.api.conftest import served

__all__ = ["served"]
