"""Small networks for tests, and a hypothesis strategy for random ones."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from fairslice.topology.check import MAX_DELAY_S
from fairslice.topology.network import Host, Link, Network, Switch


def build_network(
    cables: Iterable[tuple[str, str]], *, capacity_bps: float = 10e6, name: str = "test"
) -> Network:
    """A network from cables between nodes; names that begin with ``s`` are switches, others hosts.

    Ports are numbered in the order of the cables, from 1; a host's only port is 0.
    """
    ports: dict[str, int] = defaultdict(int)
    switches: dict[str, Switch] = {}
    hosts: dict[str, Host] = {}
    links: dict[tuple[str, str], Link] = {}
    for ends in cables:
        numbers = []
        for node in ends:
            if node.startswith("s"):
                ports[node] += 1
                switches.setdefault(node, Switch(node, int(node[1:])))
            numbers.append(ports[node])
        (near, far), (near_port, far_port) = ends, numbers
        links[near, far] = Link(near, far, capacity_bps, near_port)
        links[far, near] = Link(far, near, capacity_bps, far_port)
        for host, switch, port_no in ((near, far, far_port), (far, near, near_port)):
            if host not in switches:
                index = len(hosts) + 1
                hosts[host] = Host(host, f"00:00:00:00:00:{index:02x}", f"10.0.0.{index}", switch, port_no)
    return Network(switches, hosts, links, name)


conditions: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"delay_s": st.floats(0, MAX_DELAY_S), "loss": st.floats(0, 1, exclude_max=True)}
)
"""The delay and the loss of a link."""


@st.composite
def networks(draw: st.DrawFn, max_switches: int = 6, max_hosts: int = 6) -> Network:
    """Connected networks of switches s1, s2, … with loops, and hosts h1, h2, …"""
    count = draw(st.integers(1, max_switches))
    cables = {(f"s{draw(st.integers(1, i - 1))}", f"s{i}") for i in range(2, count + 1)}
    pairs = [(f"s{i}", f"s{j}") for i in range(1, count + 1) for j in range(i + 1, count + 1)]
    if pairs:
        cables |= set(draw(st.lists(st.sampled_from(pairs), max_size=4)))
    hosts = [
        (f"h{i}", f"s{draw(st.integers(1, count))}") for i in range(1, draw(st.integers(2, max_hosts)) + 1)
    ]
    # A switch that stands alone has no cable to be known by.
    network = build_network([*sorted(cables), *hosts], capacity_bps=draw(st.sampled_from([1e6, 10e6, 100e6])))
    # Few of the links have a delay or a loss.
    strange = draw(st.lists(st.sampled_from(sorted(network.links)), unique=True, max_size=2))
    links = {key: replace(network.links[key], **draw(conditions)) for key in strange}
    return replace(network, links={**network.links, **links})
