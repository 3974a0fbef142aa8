"""Whether a policy is taken: rates on the whole network, guarantees that fit, and delays that can be kept."""

from collections.abc import Mapping

from fairslice.policy.model import Policy
from fairslice.slicing.allocation import NetworkAllocation, allocate_slices
from fairslice.slicing.delays import admit
from fairslice.topology.network import Host, Network


def accept(
    policy: Policy,
    network: Network,
    *,
    omit_unreachable: bool = False,
    hosts: Mapping[str, Host] | None = None,
    before: NetworkAllocation | None = None,
) -> NetworkAllocation:
    """The rates of a policy that is taken; arguments as ``allocate_slices`` has them.

    Raises:
        FairsliceError: as ``allocate_slices`` does; and InfeasibleError for a delay that can't be kept
            (:func:`fairslice.slicing.delays.admit`).
    """
    allocation = allocate_slices(
        policy, network, omit_unreachable=omit_unreachable, hosts=hosts, before=before
    )
    admit(allocation)
    return allocation
