"""IP addresses and CIDR ranges, as in Kubernetes and the network extension of cel-spec."""

import ipaddress
from typing import Any

from shipway.policy.cel.errors import CelError
from shipway.policy.cel.functions import Library, function, method
from shipway.policy.cel.values import Opaque

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Ip(Opaque):
    """An address without a zone."""

    cel_type = "net.IP"

    def __init__(self, address: Address) -> None:
        self.address = address
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        self.real: Address = mapped or address
        """The IPv4 address of an IPv4-mapped IPv6 one."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.real == other.real

    def __hash__(self) -> int:
        return hash(self.real)

    def __str__(self) -> str:
        return f"::ffff:{self.real}" if self.real is not self.address else str(self.address)

    @property
    def global_unicast(self) -> bool:
        """As Go defines it: private addresses are; loopback, multicast, link-local and broadcast are not."""
        real = self.real
        broadcast = real == ipaddress.IPv4Address("255.255.255.255")
        return not (real.is_unspecified or real.is_loopback or real.is_multicast or real.is_link_local or broadcast)

    @property
    def link_local_multicast(self) -> bool:
        """224.0.0.0/24 and ff02::/16."""
        packed = self.real.packed
        return packed[:3] == b"\xe0\x00\x00" if len(packed) == 4 else packed[0] == 0xFF and packed[1] & 0x0F == 2


class Cidr(Opaque):
    """A range: an address, kept as written, and a prefix length."""

    cel_type = "net.CIDR"

    def __init__(self, ip: Ip, length: int) -> None:
        self.ip = ip
        self.length = length
        self.network = ipaddress.ip_network((ip.address, length), strict=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and (self.ip.address, self.length) == (other.ip.address, other.length)

    def __hash__(self) -> int:
        return hash((self.ip, self.length))

    def __str__(self) -> str:
        return f"{self.ip}/{self.length}"

    def contains_ip(self, other: Any) -> bool:
        """Whether the address, or the text of one, is in the range."""
        ip = parse_ip(other) if isinstance(other, str) else other
        return ip.address.version == self.network.version and ip.address in self.network

    def contains_cidr(self, other: Any) -> bool:
        """Whether all of the other range is in this one."""
        cidr = parse_cidr(other) if isinstance(other, str) else other
        return cidr.length >= self.length and self.contains_ip(cidr.ip)


def parse_ip(text: str) -> Ip:
    """``ip(text)``."""
    if "%" in text:
        raise CelError(f"IP Address {text!r} with zone value is not allowed")
    try:
        ip = Ip(ipaddress.ip_address(text))
    except ValueError:
        raise CelError(f"IP Address {text[:80]!r} parse error during conversion from string") from None
    if "." in text and ip.address.version == 6 and ip.real is not ip.address:
        raise CelError(f"IPv4-mapped IPv6 address {text!r} is not allowed")
    return ip


def parse_cidr(text: str) -> Cidr:
    """``cidr(text)``."""
    address, slash, length = text.partition("/")
    if "%" in address:
        raise CelError(f"CIDR {text!r} with zone value is not allowed")
    digits = length.isascii() and length.isdigit() and len(length) <= 3 and (length == "0" or length[0] != "0")
    if not slash or not digits:
        raise CelError(f"network address parse error during conversion from string: {text[:80]!r}")
    ip = parse_ip(address)
    if int(length) > ip.address.max_prefixlen:
        raise CelError(f"network address parse error: prefix length {length} is out of range")
    return Cidr(ip, int(length))


def _parses(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except CelError:
        return False
    return True


def _masked(cidr: Cidr) -> Cidr:
    return Cidr(Ip(cidr.network.network_address), cidr.length)


FUNCTIONS: Library = (
    function("ip", parse_ip, str),
    function("isIP", lambda text: _parses(parse_ip, text), str, kind="bool"),
    function("ip.isCanonical", lambda text: str(parse_ip(text)) == text, str, kind="bool"),
    method("family", lambda ip: ip.address.version, Ip, kind="int"),
    method("isUnspecified", lambda ip: ip.real.is_unspecified, Ip, kind="bool"),
    method("isLoopback", lambda ip: ip.real.is_loopback, Ip, kind="bool"),
    method("isLinkLocalMulticast", lambda ip: ip.link_local_multicast, Ip, kind="bool"),
    method("isLinkLocalUnicast", lambda ip: ip.real.is_link_local, Ip, kind="bool"),
    method("isGlobalUnicast", lambda ip: ip.global_unicast, Ip, kind="bool"),
    function("cidr", parse_cidr, str),
    function("isCIDR", lambda text: _parses(parse_cidr, text), str, kind="bool"),
    method("containsIP", Cidr.contains_ip, Cidr, (str, Ip), kind="bool"),
    method("containsCIDR", Cidr.contains_cidr, Cidr, (str, Cidr), kind="bool"),
    method("ip", lambda cidr: cidr.ip, Cidr),
    method("masked", _masked, Cidr),
    method("prefixLength", lambda cidr: cidr.length, Cidr, kind="int"),
)
