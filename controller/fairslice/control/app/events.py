"""What happens to the controller, and what it wants done: the two sides of the pure core."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairslice.control.app.computing import Answer, Question
from fairslice.control.openflow.arp import Arp
from fairslice.errors import FairsliceError
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


@dataclass(frozen=True, slots=True, eq=False)
class PolicyGiven:
    """Someone applies a policy; :class:`Answered` follows."""

    policy: Policy


@dataclass(frozen=True, slots=True, eq=False)
class ProbesGiven:
    """Someone wants packets counted apart; replaces earlier wishes. :class:`Answered` follows."""

    probes: tuple[Probe, ...]


@dataclass(frozen=True, slots=True)
class Computed:
    """A question has been worked out, or its policy is refused: there is an answer or a refusal."""

    question: Question
    answer: Answer | None
    refusal: FairsliceError | None = None


@dataclass(frozen=True, slots=True)
class Proceed:
    """What was put off by :class:`Later` is due."""


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
    | Computed
    | Proceed
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


@dataclass(frozen=True, slots=True)
class Compute:
    """Work a question out beside the core, since it may take seconds, and report :class:`Computed`.

    ``urgent`` questions, about the policy in force, wait for no other kind.
    """

    question: Question
    urgent: bool


@dataclass(frozen=True, slots=True)
class Later:
    """Report :class:`Proceed` after the events that wait already."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A policy or probes are taken, and what they mean for switches is known, or they are refused."""

    to: PolicyGiven | ProbesGiven
    refusal: FairsliceError | None = None


Effect = Install | SendArp | Compute | Later | Answered
