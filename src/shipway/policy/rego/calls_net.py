"""Builtins over network addresses; no network is touched."""

import ipaddress
from collections.abc import Callable, Iterator
from typing import Final

from shipway.policy.rego.builtin import Library, strings
from shipway.policy.rego.faults import Budget, BuiltinError, OperandError
from shipway.policy.rego.values import Set, Value

net = Library()
add = net.add
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LARGEST: Final = 1 << 20
"""Addresses that a network may be expanded to."""


def network(text: str, *, address: bool = True) -> Network:
    """A network, or a single address where that is allowed."""
    if "/" not in text and not address:
        raise BuiltinError(f"invalid CIDR address: {text}")
    if "%" in text:
        raise BuiltinError(f"a zone has no place in a CIDR address: {text}")
    try:
        return _narrow(ipaddress.ip_network(text, strict=False))
    except ValueError as error:
        raise BuiltinError(f"not a valid textual representation of an IP address or CIDR: {text}") from error


def _narrow(found: Network) -> Network:
    """The IPv4 network that an IPv6 one stands for (``::ffff:10.0.0.0/104``), as Go sees it."""
    mapped = found.network_address.ipv4_mapped if isinstance(found, ipaddress.IPv6Network) else None
    return ipaddress.ip_network((mapped, found.prefixlen - 96)) if mapped and found.prefixlen >= 96 else found


def _inside(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and int(inner[0]) >= int(outer[0]) and int(inner[-1]) <= int(outer[-1])


@add("net.cidr_contains", "ss")
def cidr_contains(outer: str, inner: str) -> bool:
    """Whether a network has an address or all of another network."""
    return _inside(network(inner), network(outer, address=False))


@add("net.cidr_intersects", "ss")
def cidr_intersects(one: str, other: str) -> bool:
    """Whether two networks share an address."""
    left, right = network(one, address=False), network(other, address=False)
    return _inside(left, right) or _inside(right, left)


net.builtins["net.cidr_overlap"] = net.builtins["net.cidr_contains"]


@add("net.cidr_is_valid", "*")
def cidr_is_valid(text: Value) -> bool:
    """Whether it is a network in CIDR notation."""
    try:
        return type(text) is str and network(text, address=False) is not None
    except BuiltinError:
        return False


@add("net.cidr_expand", "s", costly=True)
def cidr_expand(spend: Callable[[int], None], text: str) -> Set:
    """All addresses of a network."""
    found = network(text, address=False)
    if found.num_addresses > LARGEST:
        raise Budget("the network has too many addresses")
    spend(found.num_addresses)
    return Set(str(address) for address in found)


def _classful(text: str) -> Network:
    """A network; an IPv4 address without a prefix stands for the network of its class, as in OPA."""
    found = network(text)
    if "/" in text or found.version == 6:
        return found
    first = int(text.split(".", 1)[0])
    return network(f"{text}/{8 if first < 128 else 16 if first < 192 else 24}")


@add("net.cidr_merge", "c")
def cidr_merge(values: Value) -> Set:
    """The fewest networks that cover the same addresses."""
    found = [_classful(text) for text in strings(values, "operand 1")]
    merged: list[Network] = []
    for version in (4, 6):
        merged += ipaddress.collapse_addresses([one for one in found if one.version == version])  # type: ignore[type-var]  # one version at a time
    return Set(str(one) for one in merged)


def _entries(values: Value) -> Iterator[tuple[Value, str]]:
    if type(values) is str:
        yield values, values
    elif type(values) is dict:
        yield from ((key, _text(value)) for key, value in values.items())
    elif type(values) is list:
        yield from ((at, _text(value)) for at, value in enumerate(values))
    elif type(values) is Set:
        yield from ((value, _text(value)) for value in values)
    else:
        raise OperandError("operand must be a string, array, set or object of networks")


def _text(value: Value) -> str:
    found = value[0] if type(value) is list and value else value
    if type(found) is not str:
        raise OperandError("element must be string or non-empty array")
    return found


@add("net.cidr_contains_matches", "**", costly=True)
def contains_matches(spend: Callable[[int], None], outer: Value, inner: Value) -> Set:
    """Pairs of keys whose networks contain each other."""
    left = [(key, network(text)) for key, text in _entries(outer)]
    right = [(key, network(text)) for key, text in _entries(inner)]
    spend(len(left) * len(right))
    return Set([one, other] for one, big in left for other, small in right if _inside(small, big))
