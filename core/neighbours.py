"""Who asks from this very machine."""

from collections.abc import Collection
from ipaddress import ip_address

FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")


def is_neighbour(host: str | None, headers: Collection[str]) -> bool:
    """By the address of the peer and the names of its headers, in lower case. Who comes through a proxy is none."""
    if host is None or any(name in headers for name in FORWARDED):
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
