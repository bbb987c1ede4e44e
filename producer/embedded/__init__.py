"""Real servers out of wheels, for a machine with nothing but Python."""

from producer.embedded.errors import EmbeddedError
from producer.embedded.servers import EmbeddedServers, Running, read_running

__all__ = ["EmbeddedError", "EmbeddedServers", "Running", "read_running"]
