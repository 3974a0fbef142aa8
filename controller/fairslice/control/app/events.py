"""What happens to the controller, and what it wants done: the two sides of the pure core."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairslice.control.openflow.arp import Arp
from fairslice.policy.model import Policy
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.diff import Plan
from fairslice.slicing.state.forwarding import Probe
from fairslice.topology.discovery import SeenLink


@dataclass(frozen=True, slots=True)
class SwitchJoined:
    """A switch connected; ``installed`` was read from it, and so were its ports.

    ``capacity_bps`` is what OVSDB or the port's own speed says, for ports that no network file names.
    """

    dpid: int
    ports_up: frozenset[int]
    installed: SwitchState
    capacity_bps: Mapping[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SwitchLeft:
    """A switch's connection is gone."""

    dpid: int


@dataclass(frozen=True, slots=True)
class PortsChanged:
    """The ports of a switch that are up now."""

    dpid: int
    ports_up: frozenset[int]


@dataclass(frozen=True, slots=True)
class LinkFound:
    """LLDP crossed a link."""

    link: SeenLink


@dataclass(frozen=True, slots=True)
class LinkLost:
    """LLDP no longer crosses a link, or one of its ports went down."""

    link: SeenLink


@dataclass(frozen=True, slots=True)
class ArpReceived:
    """A host sent ARP into a port."""

    dpid: int
    in_port: int
    arp: Arp


@dataclass(frozen=True, slots=True)
class PolicyGiven:
    """Someone applies a policy."""

    policy: Policy


@dataclass(frozen=True, slots=True)
class ProbesGiven:
    """Someone wants packets counted apart; replaces earlier wishes."""

    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class InstallEnded:
    """A plan was carried out as far as it went; ``installed`` was read back from the switch.

    ``modifications`` counts the meter and flow modifications that were sent.
    """

    dpid: int
    installed: SwitchState
    errors: tuple[str, ...] = ()
    modifications: int = 0


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes."""


Event = (
    SwitchJoined
    | SwitchLeft
    | PortsChanged
    | LinkFound
    | LinkLost
    | ArpReceived
    | PolicyGiven
    | ProbesGiven
    | InstallEnded
    | Tick
)


@dataclass(frozen=True, slots=True)
class Install:
    """Carry out a plan on a switch, read it back, and report :class:`InstallEnded`."""

    dpid: int
    plan: Plan


@dataclass(frozen=True, slots=True)
class SendArp:
    """Send an ARP packet out of ports of a switch."""

    dpid: int
    outputs: tuple[int, ...]
    arp: Arp


Effect = Install | SendArp
