from typing import Any

import pytest

from fairslice.control.ovsdb.rows import (
    OwnedPort,
    PortInfo,
    RowError,
    monitor_requests,
    select_operations,
    snapshot_of,
)
from fairslice.slicing.state.desired import PortQos, Queue

EMPTY: list[Any] = ["set", []]
OURS = ["map", [["owner", "fairslice"]]]


def interface(uuid: str, name: str, ofport: Any, ids: list[list[str]] | None = None) -> dict[str, Any]:
    return {
        "_uuid": ["uuid", uuid],
        "name": name,
        "ofport": ofport,
        "link_speed": 10_000_000_000,
        "external_ids": ["map", ids or []],
    }


def answer(**changed: list[dict[str, Any]]) -> list[dict[str, Any]]:
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
    tables.update(changed)
    return [{"rows": rows} for rows in tables.values()]


# "9e6" is what Open vSwitch reads as 9: it must differ from every desired value.
QOS = PortQos(1, 10_000_000, (Queue(0, 1_000_000, 10_000_000, 62_500), Queue(10, 0, 10_000_000, 56_250)))


def test_ports_leave_out_the_bridge_itself_and_those_without_a_number() -> None:
    infos = snapshot_of(answer()).port_infos(10)
    assert infos == {
        1: PortInfo(1, "s1-eth1", "netdev", 1e7, 10_000_000_000),
        2: PortInfo(2, "s1-eth2", "netdev", None, 10_000_000_000),
        3: PortInfo(3, "s1-eth3", "netdev", None, 10_000_000_000),
    }


def test_only_qos_of_ours_is_read_with_queues_in_rising_order() -> None:
    snapshot = snapshot_of(answer())
    assert snapshot.port_qos(10) == {1: QOS}
    assert snapshot.owned_ports() == (OwnedPort("s1", "s1-eth1", True, QOS),)
    assert (snapshot.next_cfg, snapshot.cur_cfg) == (7, 6)


@pytest.mark.parametrize("depth", [[], [["fairslice-buffer-bytes", "50 ms"]]])
def test_a_queue_without_a_readable_depth_equals_no_desired_one(depth: list[list[str]]) -> None:
    """Earlier versions wrote one depth for the whole port, into the QoS."""
    rows = [dict(row) for row in answer()[5]["rows"]]
    rows[0]["external_ids"] = ["map", [["owner", "fairslice"], *depth]]
    whole = [dict(row) for row in answer()[4]["rows"]]
    whole[0]["external_ids"] = ["map", [["owner", "fairslice"], ["fairslice-buffer-bytes", "62500"]]]
    found = snapshot_of(answer(QoS=whole, Queue=rows)).port_qos(10)
    assert [queue.buffer_bytes for queue in found[1].queues] == [0, 56_250]


def test_an_empty_datapath_type_is_the_kernel() -> None:
    bridge = {
        "name": "k1",
        "datapath_id": "0000000000000001",
        "datapath_type": "",
        "ports": ["set", [["uuid", "p1"]]],
    }
    snapshot = snapshot_of(answer(Bridge=[bridge]))
    assert snapshot.port_infos(1)[1].datapath_type == "system"
    assert [owned.userspace for owned in snapshot.owned_ports()] == [False]


def test_an_unknown_bridge_is_named_with_those_that_are_there() -> None:
    with pytest.raises(RowError, match=r"0000000000000063; found s1 \(000000000000000a\)"):
        snapshot_of(answer()).port_infos(0x63)
    with pytest.raises(RowError, match="no bridge at all"):
        snapshot_of(answer(Bridge=[])).bridge(1)


@pytest.mark.parametrize("text", ["fast", "", "nan", "inf", "-1", "0", "10 Mbit/s"])
def test_a_capacity_that_is_no_positive_number_is_refused(text: str) -> None:
    rows = [interface("i1", "s1-eth1", 1, [["fairslice-capacity-bps", text]])]
    with pytest.raises(RowError, match=r"bridge s1, interface s1-eth1.*expected a positive number of bit/s"):
        snapshot_of(answer(Interface=rows)).port_infos(10)


@pytest.mark.parametrize(
    "results", [[], [{}], [{"rows": []}] * 5, answer(Port=[{"name": "x"}]), answer(Bridge=[{"name": 1}])]
)
def test_an_answer_of_another_schema_is_refused(results: list[Any]) -> None:
    with pytest.raises(RowError, match="not Open vSwitch's"):
        snapshot_of(results)


def test_what_is_monitored_is_what_is_read_but_for_next_cfg() -> None:
    requests = monitor_requests()
    assert [operation["table"] for operation in select_operations()] == list(requests)
    # Raising next_cfg is the agent's own act: it must not wake it.
    assert requests["Open_vSwitch"]["columns"] == ["cur_cfg"]
    assert "qos" in requests["Port"]["columns"]
    assert "_uuid" not in requests["Queue"]["columns"]
