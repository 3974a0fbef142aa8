"""A hypothesis strategy for policies over given hosts."""

from collections.abc import Sequence

from hypothesis import strategies as st

from fairslice.errors import Location
from fairslice.policy.model import Enforcement, FlowSpec, Match, Policy, Sharing, Slice

_MATCHES = [Match(), Match(6), Match(17, dst_port=5004), Match(6, dst_port=80), Match(6, src_port=22)]


@st.composite
def policies(draw: st.DrawFn, hosts: Sequence[str], max_slices: int = 4, max_flows: int = 4) -> Policy:
    """Policies without guarantees, whose flows do not overlap."""
    taken: list[tuple[str, str, Match]] = []
    slices = []
    for number in range(1, draw(st.integers(0, max_slices)) + 1):
        flows = []
        for _ in range(draw(st.integers(0, max_flows))):
            source, destination = draw(st.permutations(hosts))[:2]
            match = draw(st.sampled_from(_MATCHES))
            if any((source, destination) == (s, d) and match.overlaps(m) for s, d, m in taken):
                continue
            taken.append((source, destination, match))
            flows.append(
                FlowSpec(
                    source,
                    destination,
                    Location("generated", len(taken), 1),
                    weight=draw(st.sampled_from([1.0, 2.0, 0.5])),
                    demand_bps=draw(st.sampled_from([None, None, None, 0.0, 400.0, 1500.0, 1e6, 7e6])),
                    match=match,
                )
            )
        slices.append(
            Slice(
                f"slice{number}",
                number,
                Location("generated", number, 1),
                tuple(flows),
                weight=draw(st.sampled_from([1.0, 2.0, 3.0])),
                limit_bps=draw(st.sampled_from([None, None, None, 3e6, 5e3, 0.0])),
                enforcement=draw(st.sampled_from(list(Enforcement))),
            )
        )
    return Policy("generated", tuple(slices), sharing=draw(st.sampled_from(list(Sharing))))
