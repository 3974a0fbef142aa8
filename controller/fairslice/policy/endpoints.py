"""How a policy names the ends of a flow: a host's name, its IPv4 address, a prefix, or its MAC."""

import ipaddress
import re
from collections.abc import Mapping
from functools import lru_cache

from fairslice.files.words import describe, did_you_mean
from fairslice.policy.model import HostAddress

ENDPOINT_PATTERN = r"^([^\s/:]{1,255}|[0-9.]+/[0-9.]+|([0-9a-fA-F]{2}[:]){5}[0-9a-fA-F]{2})$"
"""As much as a JSON Schema can say of :func:`canonical_endpoint`."""

_EXPECTED = "expected a host name, an IPv4 address, a prefix such as 10.0.1.0/24 or a MAC"
_DOTTED_NUMBERS = re.compile(r"[0-9]+(\.[0-9]+)+")
_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_NAME = re.compile(r"[^\s/:]{1,255}")
_LISTED_HOSTS = 8


def canonical_endpoint(value: object) -> str:
    """An endpoint in one spelling: MACs in lower case, prefixes with their length in bits.

    Raises:
        ValueError: no text, or text that is none of name, IPv4 address, prefix and MAC.

    >>> canonical_endpoint("00:00:00:00:00:0A"), canonical_endpoint("10.0.1.0/255.255.255.0")
    ('00:00:00:00:00:0a', '10.0.1.0/24')
    """
    if not isinstance(value, str):
        hint = (
            "; a name that YAML takes for something else needs quotes"
            if isinstance(value, int | float)
            else ""
        )
        raise ValueError(f"found {describe(value)}; {_EXPECTED}{hint}")
    return _canonical(value)


@lru_cache(maxsize=1 << 14)
def _canonical(value: str) -> str:
    """The same for text; a policy names each of its ends many times, and each is read several times."""
    if "/" in value:
        return _prefix(value)
    if ":" in value:
        if _MAC.fullmatch(value.lower()):
            return value.lower()
        raise ValueError(f"{describe(value)} is not a MAC, and IPv6 traffic is best effort; {_EXPECTED}")
    if _DOTTED_NUMBERS.fullmatch(value):
        try:
            return str(ipaddress.IPv4Address(value))
        except ValueError:
            raise ValueError(f"{describe(value)} is not an IPv4 address; {_EXPECTED}") from None
    if not _NAME.fullmatch(value) or not value.isprintable():
        raise ValueError(f"{describe(value)} is not a host name; {_EXPECTED}")
    return value


def _prefix(text: str) -> str:
    try:
        if not text.isascii():
            raise ValueError
        network = ipaddress.IPv4Network(text, strict=False)
    except ValueError:
        raise ValueError(
            f"{describe(text)} is not an IPv4 prefix; expected one such as 10.0.1.0/24"
        ) from None
    if str(network.network_address) != text.partition("/")[0]:
        raise ValueError(
            f"the prefix {describe(text)} has bits set after its length; did you mean '{network}'?"
        )
    return str(network)


def is_prefix(endpoint: str) -> bool:
    """Whether a canonical endpoint may stand for several hosts."""
    return "/" in endpoint


class HostDirectory:
    """Finds the hosts that an endpoint stands for, in the order of the topology."""

    def __init__(self, hosts: Mapping[str, HostAddress]) -> None:
        self._names = tuple(hosts)
        self._known: dict[str, tuple[str, ...]] = {name: (name,) for name in hosts}
        self._addresses: list[tuple[ipaddress.IPv4Address, str]] = []
        for name, host in hosts.items():
            for address in (host.mac.lower(), host.ip):
                if address:
                    self._known[address] = (*self._known.get(address, ()), name)
            if host.ip:
                self._addresses.append((ipaddress.IPv4Address(host.ip), name))

    def find(self, endpoint: str) -> tuple[str, ...]:
        """Names of the hosts behind a canonical endpoint: one, or for a prefix one or more.

        Raises:
            ValueError: no host is meant, or an address is that of several hosts.
        """
        if is_prefix(endpoint) and endpoint not in self._known:
            network = ipaddress.IPv4Network(endpoint)
            self._known[endpoint] = tuple(name for address, name in self._addresses if address in network)
        found = self._known.get(endpoint, ())
        if not found:
            raise ValueError(self._missing(endpoint))
        if len(found) > 1 and not is_prefix(endpoint):
            raise ValueError(f"{describe(endpoint)} is the address of several hosts: {', '.join(found)}")
        return found

    def _missing(self, endpoint: str) -> str:
        if is_prefix(endpoint):
            return f"no host is inside the prefix {endpoint}; {self._listing()}"
        if _MAC.fullmatch(endpoint):
            return f"no host has the MAC {endpoint}; {self._listing()}"
        if _DOTTED_NUMBERS.fullmatch(endpoint):
            return f"no host has the address {endpoint}; {self._listing()}"
        hint = did_you_mean(endpoint, self._names)
        return f"unknown host {describe(endpoint)}{hint or '; ' + self._listing()}"

    def _listing(self) -> str:
        if not self._names:
            return "the topology has no hosts"
        more = len(self._names) - _LISTED_HOSTS
        listed = ", ".join(self._names[:_LISTED_HOSTS])
        return f"expected a host of the topology: {listed}" + (f" and {more} more" if more > 0 else "")
