"""Which addresses the factory may be sent to by a caller: public ones, never the inside of a network, but for what the
operator allows to webhooks by name (FACTORY_WEBHOOK_ALLOW).

Used when a URL is accepted (no DNS) and again on the address that is really connected to (`adapters.outbound`).
"""

import re
import unicodedata
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

_INSIDE_NAMES = ("localhost", "localdomain", "local", "internal", "intranet", "lan", "home.arpa")
_CARRIES_IPV4_AT_END = (ip_network("64:ff9b::/96"), ip_network("::/96"))
_LOCAL_TRANSLATION = ip_network("64:ff9b:1::/48")
_CLOUD_METADATA = frozenset({ip_address("168.63.129.16")})


@dataclass(frozen=True, slots=True)
class Allowed:
    """What the operator allows: host names and addresses as URLs write them, and networks such as 10.1.0.0/16."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Allowed":
        """From a list with commas. Raises ValueError for what is neither a host nor a network."""
        entries = [entry.strip().lower().rstrip(".") for entry in text.split(",") if entry.strip()]
        networks = tuple(ip_network(entry) for entry in entries if "/" in entry)
        hosts = frozenset(entry.strip("[]") for entry in entries if "/" not in entry)
        if odd := sorted(host for host in hosts if not re.fullmatch(r"[a-z0-9._:-]+", host)):
            raise ValueError(f"{odd[0]!r} is neither a host name, an address nor a network")
        return cls(hosts, networks)

    def has_host(self, host: str) -> bool:
        """By its name, or as an address that is written out."""
        plain = host.lower().rstrip(".").strip("[]")
        return plain in self.hosts or self.has_address(plain)

    def has_address(self, text: str) -> bool:
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        return str(address) in self.hosts or any(address in network for network in self.networks)


NOTHING = Allowed()


def check_public_url(url: str, allowed: Allowed = NOTHING) -> str | None:
    """Why a URL from outside is refused, or None. Looks at the text alone: a name may still resolve inside."""
    if any(sign <= " " or sign in "\x7f\\" for sign in url):
        return "has a space, a backslash or a control character in it"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "is not a URL"
    if parts.scheme not in ("http", "https"):
        return "must begin with http:// or https://"
    if not host or port == 0:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "must not carry a user name or password"
    return None if allowed.has_host(host) else _check_host(host)


def check_webhook_url(url: str, allowed: Allowed = NOTHING) -> str | None:
    """As `check_public_url`; without TLS only where the operator allows the host."""
    if fault := check_public_url(url, allowed):
        return fault
    parts = urlsplit(url)
    if parts.scheme == "http" and not allowed.has_host(parts.hostname or ""):
        return "must begin with https://; the operator may allow the host in FACTORY_WEBHOOK_ALLOW"
    return None


def is_public_address(text: str) -> bool:
    """Whether an IP address, as a resolver gives it, is one of the open internet."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return _is_public(address)


def _check_host(host: str) -> str | None:
    plain = unicodedata.normalize("NFKC", host).replace("\u3002", ".").lower().rstrip(".")
    address = _literal_address(plain)
    if address is not None:
        return None if _is_public(address) else "names a private or reserved address"
    if "%" in plain or not plain:
        return "names no valid host"
    if any(plain == name or plain.endswith(f".{name}") for name in _INSIDE_NAMES):
        return "names a host inside this network"
    if "." not in plain:
        return "needs a full host name, with a dot in it"
    return None


def _literal_address(host: str) -> IPv4Address | IPv6Address | None:
    """An address written as such, also in the short, octal and hexadecimal forms that resolvers take."""
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return _legacy_ipv4(host)


def _legacy_ipv4(host: str) -> IPv4Address | None:
    numbers = [_legacy_number(piece) for piece in host.split(".")]
    if len(numbers) > 4:
        return None
    total = 0
    for place, number in enumerate(numbers):
        if number is None:
            return None
        last = place == len(numbers) - 1
        room = 8 * (4 - place) if last else 8
        if number >= 1 << room:
            return None
        total |= number if last else number << (24 - 8 * place)
    return IPv4Address(total)


def _legacy_number(piece: str) -> int | None:
    if re.fullmatch(r"0[xX][0-9a-fA-F]*", piece):
        return int(piece[2:] or "0", 16)
    if re.fullmatch(r"0[0-7]*", piece):
        return int(piece, 8)
    return int(piece) if re.fullmatch(r"[1-9][0-9]*", piece) else None


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    if address in _CLOUD_METADATA or address in _LOCAL_TRANSLATION:
        return False
    inner = _carried_ipv4(address)
    if inner is not None:
        return _is_public(inner)
    return address.is_global and not (
        address.is_multicast
        or address.is_unspecified
        or address.is_reserved
        or address.is_link_local
        or getattr(address, "is_site_local", False)
    )


def _carried_ipv4(address: IPv4Address | IPv6Address) -> IPv4Address | None:
    """The IPv4 address inside a mapped, compatible, translated, 6to4 or Teredo one."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in _CARRIES_IPV4_AT_END) and int(address) > 1:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None
