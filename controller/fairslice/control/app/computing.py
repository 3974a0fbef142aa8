"""What takes long in the controller: judging a policy, its rates, and what switches then hold. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairslice.errors import FairsliceError, InfeasibleError
from fairslice.policy.model import Policy
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices, without_guarantees
from fairslice.slicing.delays import admit, broken_delays
from fairslice.slicing.state.compile import Compiled, compile_from
from fairslice.slicing.state.forwarding import Probe
from fairslice.topology.network import Host, Network

NO_POLICY = Policy(file="", slices=())


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is to be worked out; nothing in it changes meanwhile."""

    policy: Policy
    network: Network | None
    """What there is now; None if that is not known yet."""
    away: Mapping[str, Host] = field(default_factory=dict)
    """Hosts that the policy may name although ``network`` does not have them now."""
    judged_on: Network | None = None
    """The network that the policy has to fit to be taken; None if it is taken in any case."""
    probes: tuple[Probe, ...] = ()
    before: "Answer | None" = None
    """An earlier answer, to go on from; this one is the same without it."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What follows from a question; without a network neither rates nor states."""

    allocation: NetworkAllocation | None = None
    compiled: Compiled | None = None
    """What all switches of the network should hold."""
    problems: tuple[str, ...] = ()
    """Flows without a path, delays that can't be kept, why guarantees or the whole policy are set aside."""


def work_out(question: Question) -> Answer:
    """Judge the policy, divide the network, and compile.

    Raises:
        FairsliceError: the policy is refused by the network that judges it.
    """
    before = Answer() if question.before is None else question.before
    judged = before.allocation
    if question.judged_on is not None:
        judged = _allocate(question, question.policy, question.judged_on, judged)
        admit(judged)
    if question.network is None:
        return Answer()
    allocation, problems = _divide(question, question.network, judged)
    return Answer(allocation, compile_from(allocation, question.probes, before.compiled), problems)


def _divide(
    question: Question, network: Network, before: NetworkAllocation | None
) -> tuple[NetworkAllocation, tuple[str, ...]]:
    """The policy on what is left of the network; what does not fit becomes a problem."""
    problems: tuple[str, ...] = ()
    try:
        allocation = _allocate(question, question.policy, network, before)
    except InfeasibleError as error:
        # The network shrank under guarantees that fit the whole: share by weight alone rather than stop.
        problems = (f"{error}; guarantees are set aside until they fit",)
        allocation = _allocate(question, without_guarantees(question.policy), network, before)
    except FairsliceError as error:
        return allocate_slices(NO_POLICY, network), (str(error),)
    problems += tuple(f"{flow.id}: no path" for flow in allocation.unreachable)
    return allocation, (*problems, *broken_delays(allocation))


def _allocate(
    question: Question, policy: Policy, network: Network, before: NetworkAllocation | None
) -> NetworkAllocation:
    """Rates on a network; flows without a path, and of hosts that are away, wait."""
    hosts = {**question.away, **network.hosts}
    if before is not None and before.policy is policy and before.network == network and before.hosts == hosts:
        return before
    return allocate_slices(policy, network, omit_unreachable=True, hosts=hosts, before=before)
