"""Paths on networks that can be checked by eye."""

import pytest

from fairslice.errors import FairsliceError
from fairslice.topology.network import Host, Link, LinkKey, Network, Switch, dpid_text, link_name
from fairslice.topology.paths import NoPathError, path_links, spanning_tree
from fairslice.topology.trees import Trees


def square() -> Network:
    """h1 on s1, h3 on s3, and two ways between them: s1-s2-s3 and s1-s4-s3."""
    cables = [("s1", "s2"), ("s2", "s3"), ("s3", "s4"), ("s4", "s1"), ("s1", "h1"), ("s3", "h3")]
    links: dict[LinkKey, Link] = {}
    ports = dict.fromkeys(["s1", "s2", "s3", "s4"], 0)
    for pair in cables:
        for source, target in (pair, pair[::-1]):
            if source in ports:
                ports[source] += 1
            links[source, target] = Link(source, target, 1e6, ports.get(source, 0))
    hosts = {
        f"h{i}": Host(
            f"h{i}", f"00:00:00:00:00:0{i}", f"10.0.0.{i}", f"s{i}", links[f"s{i}", f"h{i}"].port_no
        )
        for i in (1, 3)
    }
    return Network({f"s{i}": Switch(f"s{i}", i) for i in range(1, 5)}, hosts, links)


def test_slices_take_both_ways_and_always_the_same() -> None:
    network = square()
    ways = {Trees(network).path("h1", "h3", number) for number in range(64)}
    assert ways == {("h1", "s1", "s2", "s3", "h3"), ("h1", "s1", "s4", "s3", "h3")}
    # Fixed for all time and machines: a change here moves everybody's traffic.
    chosen = " ".join(Trees(network).path("h1", "h3", number)[2] for number in range(8))
    assert chosen == "s4 s2 s2 s2 s4 s4 s4 s2"


def test_without_one_way_everybody_takes_the_other() -> None:
    network = square().without([("s1", "s2")])
    assert {Trees(network).path("h1", "h3", n)[2] for n in range(64)} == {"s4"}
    assert {Trees(network).path("h3", "h1", n)[2] for n in range(64)} == {"s2", "s4"}


def test_hosts_never_carry_the_traffic_of_others() -> None:
    """A host between two parts, as a file can't have it but a graph could, joins nothing.

    The host has left its own cable's switch without a way, so nothing leads from it either: hosts send over
    that cable alone.
    """
    network = square()
    bridge = {
        ("h1", "s3"): Link("h1", "s3", 1e6, 1),
        ("s3", "h1"): Link("s3", "h1", 1e6, 9),
    }
    cut = Network(network.switches, network.hosts, dict(network.links) | bridge).without(
        [("s1", "s2"), ("s1", "s4")]
    )
    assert set(Trees(cut).in_tree("h3", 0)) == {"s3", "s2", "s4"}


def test_no_way_names_both_ends() -> None:
    network = square().without([("s1", "s2"), ("s1", "s4")])
    with pytest.raises(NoPathError, match="no path from h1 to h3: no working links join them") as error:
        Trees(network).path("h1", "h3", 0)
    assert (error.value.source, error.value.destination) == ("h1", "h3")
    assert isinstance(error.value, FairsliceError)
    assert Trees(network).path("h3", "h1", 0)[-2:] == ("s1", "h1")


@pytest.mark.parametrize(("source", "destination", "unknown"), [("h9", "h3", "h9"), ("h1", "s3", "s3")])
def test_an_unknown_host_is_named(source: str, destination: str, unknown: str) -> None:
    with pytest.raises(
        NoPathError, match=f"{source} to {destination}: {unknown} is not a host of the network"
    ):
        Trees(square()).path(source, destination, 0)


def test_a_tree_to_nowhere_is_an_error() -> None:
    with pytest.raises(KeyError):
        Trees(square()).in_tree("s1", 0)


def test_a_host_reaches_itself_at_once() -> None:
    assert Trees(square()).path("h1", "h1", 0) == ("h1",)
    assert path_links(("h1",)) == ()


def test_spanning_tree_grows_from_the_smallest_dpid() -> None:
    network = square()
    kept = {("s1", "s2"), ("s1", "s4"), ("s2", "s3")}
    assert spanning_tree(network) == kept | {(b, a) for a, b in kept}
    one_way = network.without([("s2", "s1")])
    assert ("s1", "s2") not in spanning_tree(one_way)
    assert len(spanning_tree(one_way)) == 6


def test_names() -> None:
    network = square()
    assert link_name(("s1", "s2")) == network.links["s1", "s2"].name == "s1->s2"
    assert network.switch_of_dpid[2].name == "s2"
    assert dpid_text(0xAB) == "00000000000000ab"
