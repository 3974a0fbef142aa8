"""From an allocation to plain data."""

from fairslice.api.allocation import AllocationView, FlowView, LinkView, PathView
from fairslice.slicing.allocation import NetworkAllocation
from fairslice.slicing.state.labels import queue_of


def view(allocation: NetworkAllocation, generation: int = 0) -> AllocationView:
    """The plain form of an allocation; unreachable flows hold nothing."""
    policy, network = allocation.policy, allocation.network
    slices = {one.name: one for one in policy.slices}
    flows = [
        FlowView(
            number=a.flow.number,
            id=a.flow.id,
            slice=a.flow.slice,
            source=a.flow.source,
            destination=a.flow.destination,
            match=str(a.flow.match),
            proto=a.flow.match.proto,
            src_port=a.flow.match.src_port,
            dst_port=a.flow.match.dst_port,
            enforcement=str(slices[a.flow.slice].enforcement),
            slice_number=slices[a.flow.slice].number,
            queue_id=queue_of(slices[a.flow.slice].number, slices[a.flow.slice].enforcement),
            demand_bps=a.flow.demand_bps,
            allocated_bps=a.rate_bps,
            return_share=a.route.return_share,
            bottleneck=str(a.bottleneck),
            path=a.route.path,
            paths=tuple(
                PathView(nodes=nodes, share=share, rate_bps=rate_bps)
                for nodes, share, rate_bps in zip(
                    a.route.paths, a.route.shares, a.path_rates_bps, strict=True
                )
            ),
            return_path=a.route.return_path,
        )
        for a in allocation.flows
    ]
    links = [
        LinkView(
            source=link.source,
            target=link.target,
            capacity_bps=link.capacity_bps,
            allocated_bps=allocation.load_bps[link.key],
            acknowledgements_bps=allocation.set_aside_bps[link.key],
            dpid=network.switches[link.source].dpid if link.source in network.switches else None,
            port_no=link.port_no,
        )
        for link in network.links.values()
    ]
    return AllocationView(
        policy=policy.file,
        generation=generation,
        certified=allocation.certificate.ok,
        flows=tuple(flows),
        links=tuple(links),
    )
