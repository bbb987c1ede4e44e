"""What goes wrong with an embedded server, with the last words of its own log."""

from pathlib import Path

from core.errors import ConfigurationError


class EmbeddedError(ConfigurationError):
    """A server of ours did not start."""

    @classmethod
    def about(cls, server: str, variable: str, log: Path) -> "EmbeddedError":
        """Says which, what its log ends with, and the way round it."""
        try:
            tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
        except OSError:
            tail = "(no log)"
        return cls(
            f"The embedded {server} did not start. The end of {log}:\n{tail}\n"
            f"To do without it, set {variable} to a server of your own."
        )
