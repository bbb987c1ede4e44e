"""The end of an API process: those who wait are answered as things stand, and go on at another."""

from collections.abc import Callable


class Closing:
    """`begun` once this process is about to end; whoever waits asks it after being woken."""

    def __init__(self) -> None:
        self.begun = False
        self._wake: list[Callable[[], None]] = []

    def on_begin(self, wake: Callable[[], None]) -> None:
        """To be called when it begins."""
        self._wake.append(wake)

    def begin(self) -> None:
        """From now on new requests are sent elsewhere, and nobody waits here."""
        self.begun = True
        for wake in self._wake:
            wake()
