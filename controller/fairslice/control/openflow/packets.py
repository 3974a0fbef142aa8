"""ARP packets (RFC 826) as frames, read and written with the framework's packet library."""

from fairslice.control.openflow.arp import Arp
from fairslice.control.openflow.framework import part

arp, ethernet, packet = (part(f"lib.packet.{name}") for name in ("arp", "ethernet", "packet"))

BROADCAST_MAC = "ff:ff:ff:ff:ff:ff"


def read_arp(frame: bytes) -> Arp | None:
    """The ARP packet in a frame; None if there is none, or it is malformed."""
    try:
        found = packet.Packet(frame).get_protocol(arp.arp)
    except Exception:  # noqa: BLE001  the library raises anything on truncated frames
        return None
    if found is None or found.opcode not in (arp.ARP_REQUEST, arp.ARP_REPLY):
        return None
    return Arp(found.opcode == arp.ARP_REQUEST, found.src_mac, found.src_ip, found.dst_mac, found.dst_ip)


def write_arp(message: Arp) -> bytes:
    """The frame of an ARP packet, from its sender; a request goes to everyone."""
    frame = packet.Packet()
    frame.add_protocol(
        ethernet.ethernet(
            dst=BROADCAST_MAC if message.is_request else message.target_mac,
            src=message.sender_mac,
            ethertype=0x0806,
        )
    )
    frame.add_protocol(
        arp.arp(
            opcode=arp.ARP_REQUEST if message.is_request else arp.ARP_REPLY,
            src_mac=message.sender_mac,
            src_ip=message.sender_ip,
            dst_mac=message.target_mac,
            dst_ip=message.target_ip,
        )
    )
    frame.serialize()
    return bytes(frame.data)
