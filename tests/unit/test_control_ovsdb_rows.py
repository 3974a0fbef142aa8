from typing import Any

import pytest

from fairslice.control.ovsdb.replica import Replica
from fairslice.control.ovsdb.rows import SCHEMA, Device, OwnedPort, PortInfo, RowError
from fairslice.slicing.state.desired import PortQos, Queue
from fairslice.testing.ovsdb import columns, replica_of

EMPTY: list[Any] = ["set", []]
OURS = ["map", [["owner", "fairslice"]]]


def interface(uuid: str, name: str, ofport: Any, ids: list[list[str]] | None = None) -> dict[str, Any]:
    return {
        "_uuid": ["uuid", uuid],
        "name": name,
        "type": "internal" if ofport == 65534 else "",
        "ofport": ofport,
        "link_speed": 10_000_000_000,
        "external_ids": ["map", ids or []],
    }


def rows(**changed: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What ovsdb-server says about a bridge s1 with ports 1 (ours), 2 (foreign QoS), 3 (no QoS)."""
    tables: dict[str, list[dict[str, Any]]] = {
        "Open_vSwitch": [{"next_cfg": 7, "cur_cfg": 6}],
        "Bridge": [
            {
                "name": "s1",
                "datapath_id": "000000000000000a",
                "datapath_type": "netdev",
                "ports": ["set", [["uuid", f"p{n}"] for n in (0, 1, 2, 3)]],
            },
            {"name": "new", "datapath_id": EMPTY, "datapath_type": "", "ports": ["uuid", "p4"]},
        ],
        "Port": [
            {
                "_uuid": ["uuid", f"p{n}"],
                "name": f"s1-eth{n}",
                "qos": {1: ["uuid", "ours"], 2: ["uuid", "foreign"]}.get(n, EMPTY),
                "interfaces": ["uuid", f"i{n}"],
            }
            for n in range(5)
        ],
        "Interface": [
            interface("i0", "s1", 65534),
            interface("i1", "s1-eth1", 1, [["fairslice-capacity-bps", "1e7"]]),
            interface("i2", "s1-eth2", 2),
            interface("i3", "s1-eth3", 3),
            interface("i4", "new-eth1", EMPTY),
        ],
        "QoS": [
            {
                "_uuid": ["uuid", "ours"],
                "type": "linux-htb",
                "queues": ["map", [[10, ["uuid", "q10"]], [0, ["uuid", "q0"]]]],
                "other_config": ["map", [["max-rate", "10000000"]]],
                "external_ids": OURS,
            },
            {
                "_uuid": ["uuid", "foreign"],
                "type": "linux-hfsc",
                "queues": ["map", []],
                "other_config": ["map", []],
                "external_ids": ["map", [["owner", "me"]]],
            },
        ],
        "Queue": [
            {
                "_uuid": ["uuid", name],
                "other_config": ["map", [["min-rate", rate], ["max-rate", "10000000"]]],
                "external_ids": ["map", [["owner", "fairslice"], ["fairslice-buffer-bytes", depth]]],
            }
            for name, rate, depth in (("q0", "1000000", "62500"), ("q10", "9e6", "56250"))
        ],
    }
    return tables | changed


def copy_of(tables: dict[str, list[dict[str, Any]]]) -> Replica:
    """A copy of those rows; one without a uuid gets its place in the table."""
    return replica_of(
        {
            table: {row.get("_uuid", ["uuid", f"{table}{at}"])[1]: row for at, row in enumerate(members)}
            for table, members in tables.items()
        }
    )


# "9e6" is what Open vSwitch reads as 9: it must differ from every desired value.
QOS = PortQos(1, 10_000_000, (Queue(0, 1_000_000, 10_000_000, 62_500), Queue(10, 0, 10_000_000, 56_250)))


def test_ports_leave_out_the_bridge_itself_and_those_without_a_number() -> None:
    infos = copy_of(rows()).port_infos(10)
    assert infos == {
        1: PortInfo(1, "s1-eth1", "netdev", 1e7, 10_000_000_000),
        2: PortInfo(2, "s1-eth2", "netdev", None, 10_000_000_000),
        3: PortInfo(3, "s1-eth3", "netdev", None, 10_000_000_000),
    }


def test_only_qos_of_ours_is_read_with_queues_in_rising_order() -> None:
    replica = copy_of(rows())
    assert replica.port_qos(10) == {1: QOS}
    assert replica.owned_ports() == (OwnedPort("s1", "s1-eth1", True, QOS),)
    assert (replica.next_cfg, replica.cur_cfg) == (7, 6)


@pytest.mark.parametrize("depth", [[], [["fairslice-buffer-bytes", "50 ms"]]])
def test_a_queue_without_a_readable_depth_equals_no_desired_one(depth: list[list[str]]) -> None:
    """Earlier versions wrote one depth for the whole port, into the QoS."""
    queues = [dict(row) for row in rows()["Queue"]]
    queues[0]["external_ids"] = ["map", [["owner", "fairslice"], *depth]]
    whole = [dict(row) for row in rows()["QoS"]]
    whole[0]["external_ids"] = ["map", [["owner", "fairslice"], ["fairslice-buffer-bytes", "62500"]]]
    found = copy_of(rows(QoS=whole, Queue=queues)).port_qos(10)
    assert [queue.buffer_bytes for queue in found[1].queues] == [0, 56_250]


def test_an_empty_datapath_type_is_the_kernel() -> None:
    bridge = {
        "name": "k1",
        "datapath_id": "0000000000000001",
        "datapath_type": "",
        "ports": ["set", [["uuid", "p1"]]],
    }
    replica = copy_of(rows(Bridge=[bridge]))
    assert replica.port_infos(1)[1].datapath_type == "system"
    assert [owned.userspace for owned in replica.owned_ports()] == [False]


def test_an_unknown_bridge_is_named_with_those_that_are_there() -> None:
    with pytest.raises(RowError, match=r"0000000000000063; found s1 \(000000000000000a\)"):
        copy_of(rows()).port_infos(0x63)
    with pytest.raises(RowError, match="no bridge at all"):
        copy_of(rows(Bridge=[])).bridge(1)


@pytest.mark.parametrize("text", ["fast", "", "nan", "inf", "-1", "0", "10 Mbit/s"])
def test_a_capacity_that_is_no_positive_number_is_refused(text: str) -> None:
    interfaces = [interface("i1", "s1-eth1", 1, [["fairslice-capacity-bps", text]])]
    with pytest.raises(RowError, match=r"bridge s1, interface s1-eth1.*expected a positive number of bit/s"):
        copy_of(rows(Interface=interfaces)).port_infos(10)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("Port", {"name": "x"}),
        ("Bridge", {"name": 1}),
        ("Bridge", {"name": "b", "datapath_id": "who", "datapath_type": "", "ports": EMPTY}),
    ],
)
def test_rows_of_another_schema_are_refused(table: str, row: dict[str, Any]) -> None:
    with pytest.raises(RowError, match="not Open vSwitch's"):
        Replica().put(table, "u", columns(table, row))


def test_devices_are_those_of_all_bridges_but_for_open_vswitchs_own() -> None:
    assert copy_of(rows()).devices() == (
        Device("new", "new-eth1", userspace=False, has_qos=False),
        Device("s1", "s1-eth1", userspace=True, has_qos=True),
        Device("s1", "s1-eth2", userspace=True, has_qos=True),
        Device("s1", "s1-eth3", userspace=True, has_qos=False),
    )


def test_all_devices_of_a_bond_are_told() -> None:
    bond = {
        "_uuid": ["uuid", "p1"],
        "name": "bond",
        "qos": EMPTY,
        "interfaces": ["set", [["uuid", "i"], ["uuid", "j"]]],
    }
    interfaces = [interface("i", "bond0", 1), interface("j", "bond1", 2) | {"type": "system"}]
    found = copy_of(rows(Port=[bond], Interface=interfaces)).devices()
    assert found == (Device("s1", "bond0", True, False), Device("s1", "bond1", True, False))


def test_raising_next_cfg_is_no_change() -> None:
    """It is the agent's own act: it must not wake it. What ovs-vswitchd did upon it does."""
    replica = copy_of(rows())
    (uuid,) = replica.roots
    root = {"next_cfg": 8, "cur_cfg": 6}
    assert not replica.put("Open_vSwitch", uuid, columns("Open_vSwitch", root))
    assert replica.next_cfg == 8
    assert replica.put("Open_vSwitch", uuid, columns("Open_vSwitch", root | {"cur_cfg": 8}))
    assert not replica.put("Open_vSwitch", uuid, columns("Open_vSwitch", root | {"cur_cfg": 8}))


def test_a_port_that_nothing_has_changed_is_the_same_object() -> None:
    second = {**rows()["Port"][2], "qos": ["uuid", "ours2"]}
    tables = rows()
    tables["Port"][2] = second
    tables["QoS"].append(
        {**tables["QoS"][0], "_uuid": ["uuid", "ours2"], "queues": ["map", [[0, ["uuid", "q2"]]]]}
    )
    tables["Queue"].append({**tables["Queue"][0], "_uuid": ["uuid", "q2"]})
    replica = copy_of(tables)
    first, other = replica.owned_ports()
    changed = {**tables["Queue"][2], "other_config": ["map", [["min-rate", "7"], ["max-rate", "9"]]]}
    assert replica.put("Queue", "q2", columns("Queue", changed))
    first_now, other_now = replica.owned_ports()
    assert first_now is first
    assert other_now.qos.queues == (Queue(0, 7, 9, 62_500),)
    assert other.qos.queues[0].min_rate_bps == 1_000_000
    # Every kind of row that a port is made of makes it anew.
    for table, uuid in (("Interface", "i2"), ("QoS", "ours2"), ("Port", "p2")):
        before = replica.owned_ports()[1]
        row = next(row for row in tables[table] if row["_uuid"][1] == uuid)
        replica.put(table, uuid, None)
        replica.put(table, uuid, columns(table, row))
        assert replica.owned_ports()[0] is first
        assert replica.owned_ports()[1] is not before
        assert replica.owned_ports()[1] == before


def test_what_is_monitored_leaves_statistics_out() -> None:
    asked = {table: set(described["columns"]) for table, described in SCHEMA["tables"].items()}
    assert set(asked) == {"Open_vSwitch", "Bridge", "Port", "Interface", "QoS", "Queue"}
    assert asked["Open_vSwitch"] == {"next_cfg", "cur_cfg"}
    assert not {name for names in asked.values() for name in names if "stat" in name}
