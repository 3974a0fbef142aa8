"""Discovery, case by case: what is down, what is new, what is elsewhere than the file says."""

from dataclasses import replace

from fairslice.topology.discovery import Discovery, SeenHost, SeenLink, merge
from fairslice.topology.network import Host, Link, Network, Switch

# h1 - s1 = s2 - h2, and s3 beside: ports s1: 1 h1, 2 s2, 3 s3; s2: 1 h2, 2 s1; s3: 1 s1.
FILE = Network(
    {"s1": Switch("s1", 1), "s2": Switch("s2", 2), "s3": Switch("s3", 3)},
    {
        "h1": Host("h1", "00:00:00:00:00:01", "10.0.0.1", "s1", 1),
        "h2": Host("h2", "00:00:00:00:00:02", "10.0.0.2", "s2", 1),
    },
    {
        ("h1", "s1"): Link("h1", "s1", 100e6, 0),
        ("s1", "h1"): Link("s1", "h1", 100e6, 1),
        ("h2", "s2"): Link("h2", "s2", 100e6, 0),
        ("s2", "h2"): Link("s2", "h2", 100e6, 1),
        ("s1", "s2"): Link("s1", "s2", 30e6, 2),
        ("s2", "s1"): Link("s2", "s1", 20e6, 2),
        ("s1", "s3"): Link("s1", "s3", 10e6, 3),
        ("s3", "s1"): Link("s3", "s1", 10e6, 1),
    },
    "file",
)
UP = {1: {1, 2, 3}, 2: {1, 2}, 3: {1}}


def cable(a: int, port_a: int, b: int, port_b: int) -> set[SeenLink]:
    return {SeenLink(a, port_a, b, port_b), SeenLink(b, port_b, a, port_a)}


SEEN = cable(1, 2, 2, 2) | cable(1, 3, 3, 1)


def told(found: Discovery) -> tuple[list[str], list[str]]:
    return list(found.missing), list(found.surprises)


def test_all_is_well() -> None:
    hosts = [SeenHost(1, 1, "00:00:00:00:00:01", "10.0.0.1")]
    found = merge(FILE, UP, SEEN, hosts, {(1, 2): 1e10})
    assert found.network == FILE
    assert found.network.name == "file"
    assert told(found) == ([], [])


def test_nothing_is_connected() -> None:
    found = merge(FILE, {}, SEEN, (), {})
    assert found.network == Network({}, {}, {})
    assert found.missing == (
        "switch s1 (dpid 0000000000000001) is not connected",
        "switch s2 (dpid 0000000000000002) is not connected",
        "switch s3 (dpid 0000000000000003) is not connected",
    )


def test_ports_that_are_down() -> None:
    found = merge(FILE, {1: {1, 3}, 2: set(), 3: set()}, SEEN, (), {})
    assert set(found.network.links) == {("h1", "s1"), ("s1", "h1")}
    assert told(found) == (
        [
            "host h2: s2 port 1 is down",
            "cable s1 port 2 - s2 port 2: s1 port 2 and s2 port 2 are down",
            "cable s1 port 3 - s3 port 1: s3 port 1 is down",
        ],
        [],
    )


def test_lldp_that_does_not_pass() -> None:
    found = merge(FILE, UP, {SeenLink(2, 2, 1, 2)}, (), {})
    assert set(found.network.hosts) == {"h1", "h2"}
    assert not any(set(key) <= set(FILE.switches) for key in found.network.links)
    assert told(found) == (
        [
            "cable s1 port 2 - s2 port 2: LLDP passes only from s2 port 2",
            "cable s1 port 3 - s3 port 1: LLDP does not pass",
        ],
        [],
    )


def test_a_switch_that_the_file_does_not_know() -> None:
    found = merge(FILE, UP | {9: {1}}, SEEN | cable(1, 4, 9, 1), (), {(1, 4): 1e6, (9, 1): 1e6})
    assert found.network == FILE
    assert found.surprises == ("switch with dpid 0000000000000009: not in the file; not used",)


def test_a_cable_at_other_ports_carries_what_the_file_says_of_its_switches() -> None:
    up = {1: {1, 3, 5}, 2: {1, 2}, 3: {1}}
    found = merge(FILE, up, cable(1, 5, 2, 2) | cable(1, 3, 3, 1), (), {(1, 5): 1e10, (2, 2): 1e10})
    assert found.network.links["s1", "s2"] == Link("s1", "s2", 30e6, 5)
    assert found.network.links["s2", "s1"] == Link("s2", "s1", 20e6, 2)
    assert told(found) == (
        [],
        ["cable s1 port 5 - s2 port 2: at other ports than the file says; used at 20 Mbit/s"],
    )


def test_delay_and_loss_are_those_of_the_file_wherever_the_cable_is() -> None:
    far = replace(FILE.links["s1", "s2"], delay_s=0.01, loss=0.02)
    file = replace(FILE, links={**FILE.links, far.key: far})
    assert merge(file, UP, SEEN, (), {}).network.links[far.key] == far
    moved = merge(file, {1: {1, 3, 5}, 2: {1, 2}, 3: {1}}, cable(1, 5, 2, 2) | cable(1, 3, 3, 1), (), {})
    assert moved.network.links[far.key] == replace(far, port_no=5)
    assert moved.network.links["s2", "s1"] == FILE.links["s2", "s1"]


def test_a_new_cable_is_used_if_its_capacity_is_known() -> None:
    up = {1: {1, 2, 3}, 2: {1, 2, 3}, 3: {1, 2}}
    seen = SEEN | cable(2, 3, 3, 2)
    found = merge(FILE, up, seen, (), {(2, 3): 5e6, (3, 2): 4e6})
    assert found.network.links["s2", "s3"] == Link("s2", "s3", 5e6, 3)
    assert found.network.links["s3", "s2"] == Link("s3", "s2", 4e6, 2)
    assert found.surprises == ("cable s2 port 3 - s3 port 2: not in the file; used at 4 Mbit/s",)
    for capacities in ({}, {(2, 3): 5e6}, {(2, 3): 5e6, (3, 2): 0.0}, {(2, 3): float("inf"), (3, 2): 1.0}):
        found = merge(FILE, up, seen, (), capacities)
        assert found.network == FILE
        assert found.surprises == (
            "cable s2 port 3 - s3 port 2: not in the file; not used, because its capacity is unknown",
        )


def test_one_cable_joins_two_switches_and_that_of_the_file_first() -> None:
    up = {1: {1, 2, 3, 4}, 2: {1, 2, 4}, 3: {1}}
    seen = SEEN | cable(1, 4, 2, 4) | cable(1, 1, 1, 4)
    found = merge(FILE, up, seen, (), {(1, 4): 1e6, (2, 4): 1e6})
    assert found.network.links["s1", "s2"].port_no == 2
    # Port 1 of s1 leads to a switch, its own, and so not to the host that the file has there.
    assert told(found) == (
        ["host h1: s1 port 1 leads to a switch"],
        [
            "cable s1 port 1 - s1 port 4: not in the file; not used, because it leads back to its switch",
            "cable s1 port 4 - s2 port 4: at other ports than the file says; not used, because another joins"
            " the same switches",
        ],
    )


def test_a_port_that_leads_to_two_places_keeps_that_of_the_file() -> None:
    up = {1: {1, 2, 3}, 2: {1, 2}, 3: {1}}
    found = merge(FILE, up, SEEN | cable(2, 2, 3, 1), (), {(2, 2): 1e6, (3, 1): 1e6})
    assert found.network == FILE
    assert found.surprises == (
        "cable s2 port 2 - s3 port 1: not in the file; not used, because another shares a port with it",
    )


def test_a_smaller_port_does_not_come_before_the_file() -> None:
    found = merge(FILE, UP, SEEN | cable(1, 1, 3, 1), (), {(1, 1): 1e6, (3, 1): 1e6})
    assert found.network.links["s1", "s3"] == FILE.links["s1", "s3"]
    assert found.surprises == (
        "cable s1 port 1 - s3 port 1: at other ports than the file says; not used, because another joins"
        " the same switches",
    )


def test_a_port_that_hears_itself() -> None:
    found = merge(None, {1: {1}}, {SeenLink(1, 1, 1, 1)}, (), {(1, 1): 1e6})
    assert found.network.links == {}
    assert found.surprises == ("cable s1 port 1 - s1 port 1: not used, because it leads back to its switch",)


def test_hosts_seen_otherwise_than_the_file_says() -> None:
    up = {1: {1, 2, 3, 7}, 2: {1, 2}, 3: {1}}
    hosts = [
        SeenHost(1, 7, "00:00:00:00:00:02", "10.0.0.2"),
        SeenHost(1, 1, "00:00:00:00:00:01", "10.0.0.9"),
        SeenHost(2, 1, "00:00:00:00:00:07", "10.0.0.7"),
        # Frames from a switch, from a port that is down, from a switch that has gone.
        SeenHost(1, 2, "00:00:00:00:00:08", "10.0.0.8"),
        SeenHost(1, 6, "00:00:00:00:00:08", "10.0.0.8"),
        SeenHost(8, 1, "00:00:00:00:00:08", "10.0.0.8"),
    ]
    found = merge(FILE, up, SEEN, hosts, {})
    assert found.network == FILE
    assert found.surprises == (
        "host 00:00:00:00:00:02 with 10.0.0.2 at s1 port 7: the file has it as h2 with 10.0.0.2 at s2 port 1",
        "host 00:00:00:00:00:07 with 10.0.0.7 at s2 port 1: not in the file; not used",
        "host 00:00:00:00:00:01 with 10.0.0.9 at s1 port 1: the file has it as h1 with 10.0.0.1 at s1 port 1",
    )


def test_a_host_at_its_place_is_believed_its_mac() -> None:
    """Mininet without --mac gives random ones."""
    hosts = [
        SeenHost(1, 1, "a2:00:00:00:00:01", "10.0.0.1"),
        # Nobody can take the address of another, nor a place twice.
        SeenHost(2, 1, "a2:00:00:00:00:01", "10.0.0.2"),
        SeenHost(1, 1, "a2:00:00:00:00:03", "10.0.0.1"),
        SeenHost(2, 1, "a2:00:00:00:00:04", "10.0.0.1"),
    ]
    found = merge(FILE, UP, SEEN, hosts, {})
    assert found.network.hosts == {
        "h1": replace(FILE.hosts["h1"], mac="a2:00:00:00:00:01"),
        "h2": FILE.hosts["h2"],
    }
    assert found.surprises == (
        "host a2:00:00:00:00:01 with 10.0.0.1 at s1 port 1: used as h1, not the file's 00:00:00:00:00:01",
        "host a2:00:00:00:00:03 with 10.0.0.1 at s1 port 1: not in the file; not used",
        "host a2:00:00:00:00:04 with 10.0.0.1 at s2 port 1: not in the file; not used",
        "host a2:00:00:00:00:01 with 10.0.0.2 at s2 port 1: not in the file; not used",
    )


def test_without_a_file_everything_is_learned() -> None:
    hosts = [
        SeenHost(10, 1, "00:00:00:00:00:0b", "10.0.0.20"),
        SeenHost(2, 1, "00:00:00:00:00:0a", "10.0.0.3"),
        SeenHost(2, 9, "00:00:00:00:00:0c", "10.0.0.4"),
        SeenHost(2, 1, "00:00:00:00:00:0d", "10.0.0.5"),
        SeenHost(10, 3, "00:00:00:00:00:0a", "10.0.0.6"),
        SeenHost(10, 4, "00:00:00:00:00:0e", "10.0.0.3"),
        SeenHost(10, 2, "00:00:00:00:00:0f", "10.0.0.1"),
    ]
    capacities = {(10, 1): 1e6, (2, 1): 2e6, (10, 2): 3e6, (2, 2): 4e6, (10, 3): 5e6, (10, 4): 5e6}
    up = {10: {1, 2, 3, 4}, 2: {1, 2, 9}}
    found = merge(None, up, cable(10, 2, 2, 2), hosts, capacities)
    assert list(found.network.switches.values()) == [Switch("s2", 2), Switch("s10", 10)]
    assert found.network.hosts == {
        "h1": Host("h1", "00:00:00:00:00:0a", "10.0.0.3", "s2", 1),
        "h2": Host("h2", "00:00:00:00:00:0b", "10.0.0.20", "s10", 1),
    }
    assert found.network.links == {
        ("s2", "s10"): Link("s2", "s10", 4e6, 2),
        ("s10", "s2"): Link("s10", "s2", 3e6, 2),
        ("h1", "s2"): Link("h1", "s2", 2e6, 0),
        ("s2", "h1"): Link("s2", "h1", 2e6, 1),
        ("h2", "s10"): Link("h2", "s10", 1e6, 0),
        ("s10", "h2"): Link("s10", "h2", 1e6, 1),
    }
    assert found.surprises == (
        "host 00:00:00:00:00:0e with 10.0.0.3 at s10 port 4: not used, because h1 has its address or port",
        "host 00:00:00:00:00:0c with 10.0.0.4 at s2 port 9: not used, because its port's capacity is unknown",
        "host 00:00:00:00:00:0d with 10.0.0.5 at s2 port 1: not used, because h1 has its address or port",
        "host 00:00:00:00:00:0a with 10.0.0.6 at s10 port 3: not used, because h1 has its address or port",
    )


def test_without_a_file_a_cable_of_unknown_capacity_is_not_used() -> None:
    found = merge(None, {1: {1}, 2: {1}}, cable(1, 1, 2, 1), (), {})
    assert found.network.links == {}
    assert found.surprises == ("cable s1 port 1 - s2 port 1: not used, because its capacity is unknown",)
