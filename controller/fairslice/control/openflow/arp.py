"""What an ARP packet says (RFC 826); free of the framework."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Arp:
    """An ARP packet over Ethernet for IPv4."""

    is_request: bool
    sender_mac: str
    sender_ip: str
    target_mac: str
    target_ip: str
