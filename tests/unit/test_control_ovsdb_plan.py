"""Plans are applied to an imitation of ovsdb-server's transactions, and what they leave is checked."""

import copy
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.control.ovsdb.plan import Operation, plan_qos
from fairslice.control.ovsdb.replica import Replica
from fairslice.control.ovsdb.rows import RowError
from fairslice.slicing.state.desired import PortQos, Queue
from fairslice.testing.ovsdb import columns, replica_of

DPID = 1
NO_QOS: list[Any] = ["set", []]


class Database:
    """Tables of rows by uuid; bridge s1 has ports 1 to 3, bridge s2 has ports 1 and 2."""

    def __init__(self) -> None:
        self._kept = Replica()
        self.serial = itertools.count()
        self.tables: dict[str, dict[str, dict[str, Any]]] = {
            name: {} for name in ("Open_vSwitch", "Bridge", "Port", "Interface", "QoS", "Queue")
        }
        self.tables["Open_vSwitch"]["root"] = {"next_cfg": 1, "cur_cfg": 1}
        for dpid, ports in ((1, 3), (2, 2)):
            names = [f"s{dpid}-eth{number}" for number in range(1, ports + 1)]
            self.tables["Bridge"][f"s{dpid}"] = {
                "name": f"s{dpid}",
                "datapath_id": f"{dpid:016x}",
                "datapath_type": "netdev",
                "ports": ["set", [["uuid", name] for name in names]],
            }
            for number, name in enumerate(names, 1):
                self.tables["Port"][name] = {"name": name, "qos": NO_QOS, "interfaces": ["uuid", f"i-{name}"]}
                self.tables["Interface"][f"i-{name}"] = {
                    "name": name,
                    "type": "",
                    "ofport": number,
                    "link_speed": NO_QOS,
                    "external_ids": ["map", []],
                }

    def replica(self) -> Replica:
        """The copy that was told of each change; it must be as one that reads everything anew."""
        for table, rows in self.tables.items():
            self._kept.keep_only(table, set(rows))
            for uuid, row in rows.items():
                self._kept.put(table, uuid, columns(table, row))
        anew = replica_of(self.tables)
        for name in ("bridges", "ports", "interfaces", "qos", "queues", "users", "unused"):
            assert getattr(self._kept, name) == getattr(anew, name), name
        assert set(self._kept.owned_ports()) == set(anew.owned_ports())
        return self._kept

    def apply(self, operations: list[Operation]) -> None:
        """All or nothing, as RFC 7047 §5.2 has it; named uuids may be used before they are made."""
        before = copy.deepcopy(self.tables)
        names = {op["uuid-name"]: f"u{next(self.serial)}" for op in operations if op["op"] == "insert"}
        try:
            for operation in operations:
                self._do(operation, names)
            self._check_references()
        except AssertionError:
            self.tables = before
            raise

    def _do(self, operation: Operation, names: dict[str, str]) -> None:
        table = self.tables[operation["table"]]
        if operation["op"] == "insert":
            table[names[operation["uuid-name"]]] = self._resolved(operation["row"], names)
            return
        uuid = operation["where"][0][2][1]
        if operation["op"] == "wait":
            assert {key: table[uuid][key] for key in operation["columns"]} == operation["rows"][0]
        elif operation["op"] == "update":
            table[uuid].update(self._resolved(operation["row"], names))
        else:
            assert operation["op"] == "delete"
            del table[uuid]

    def _resolved(self, value: Any, names: dict[str, str]) -> Any:
        if isinstance(value, dict):
            return {key: self._resolved(member, names) for key, member in value.items()}
        if isinstance(value, list) and value and value[0] == "named-uuid":
            return ["uuid", names[value[1]]]
        return [self._resolved(member, names) for member in value] if isinstance(value, list) else value

    def _check_references(self) -> None:
        replica = self.replica()
        assert {port.qos for port in replica.ports.values()} - {None} <= set(replica.qos)
        for row in replica.qos.values():
            assert set(row.queues.values()) <= set(replica.queues)

    def write(self, desired: dict[int, PortQos], dpid: int = DPID) -> list[Operation]:
        operations = plan_qos(self.replica(), dpid, desired)
        self.apply(operations)
        return operations

    def add_foreign(self, port: str, kind: str = "linux-htb") -> None:
        self.tables["Queue"]["fq"] = {"other_config": ["map", []], "external_ids": ["map", []]}
        self.tables["QoS"]["foreign"] = {
            "type": kind,
            "queues": ["map", [[0, ["uuid", "fq"]]]],
            "other_config": ["map", []],
            "external_ids": ["map", []],
        }
        self.tables["Port"][port]["qos"] = ["uuid", "foreign"]


def qos(port_no: int, *rates: int, capacity: int = 50_000_000, buffer_bytes: int = 312_500) -> PortQos:
    queues = tuple(Queue(number, rate, capacity, buffer_bytes) for number, rate in enumerate(rates))
    return PortQos(port_no, capacity, queues)


def kinds(operations: list[Operation]) -> list[tuple[str, str]]:
    return [(operation["op"], operation["table"]) for operation in operations]


def test_rates_are_written_as_whole_numbers_in_text() -> None:
    operations = Database().write({2: qos(2, 5_000_000)})
    rows = {operation["table"]: operation["row"] for operation in operations if operation["op"] == "insert"}
    assert rows["QoS"]["other_config"] == ["map", [["max-rate", "50000000"]]]
    assert rows["Queue"]["other_config"] == ["map", [["min-rate", "5000000"], ["max-rate", "50000000"]]]
    assert rows["QoS"]["external_ids"] == ["map", [["owner", "fairslice"]]]
    assert rows["Queue"]["external_ids"] == [
        "map",
        [["owner", "fairslice"], ["fairslice-buffer-bytes", "312500"]],
    ]


def test_a_new_port_is_guarded_against_a_qos_set_at_the_same_moment() -> None:
    database = Database()
    operations = plan_qos(database.replica(), DPID, {1: qos(1, 1)})
    database.add_foreign("s1-eth1")
    with pytest.raises(AssertionError):
        database.apply(operations)
    assert database.tables["Port"]["s1-eth1"]["qos"] == ["uuid", "foreign"]


def test_a_changed_queue_rate_changes_only_the_row_of_the_queue() -> None:
    database = Database()
    database.write({1: qos(1, 1_000_000, 2_000_000)})
    assert kinds(database.write({1: qos(1, 1_000_000, 3_000_000)})) == [("update", "Queue")]


def test_capacity_and_depth_change_rows_in_place() -> None:
    database = Database()
    database.write({1: qos(1, 1_000_000, 2_000_000)})
    uuid = database.tables["Port"]["s1-eth1"]["qos"]
    first, second = qos(1, 1_000_000, 2_000_000).queues
    deeper = PortQos(1, 50_000_000, (first, replace(second, buffer_bytes=100)))
    operations = database.write({1: deeper})
    assert kinds(operations) == [("update", "Queue")]
    assert set(operations[0]["row"]) == {"external_ids"}
    operations = database.write({1: replace(deeper, max_rate_bps=9)})
    assert kinds(operations) == [("update", "QoS")]
    assert set(operations[0]["row"]) == {"other_config"}
    assert database.tables["Port"]["s1-eth1"]["qos"] == uuid


def test_rows_of_an_earlier_version_are_mended_in_place() -> None:
    """It wrote one depth for all queues of a port, into the QoS."""
    database = Database()
    desired = {1: qos(1, 1_000_000, 2_000_000)}
    database.write(desired)
    for row in database.tables["Queue"].values():
        row["external_ids"] = ["map", [["owner", "fairslice"]]]
    for row in database.tables["QoS"].values():
        row["external_ids"] = ["map", [["owner", "fairslice"], ["fairslice-buffer-bytes", "312500"]]]
    rows = {name: set(database.tables[name]) for name in ("QoS", "Queue")}
    assert database.replica().port_qos(DPID) != desired
    operations = database.write(desired)
    assert sorted(kinds(operations)) == [("update", "QoS"), ("update", "Queue"), ("update", "Queue")]
    assert all(set(operation["row"]) == {"external_ids"} for operation in operations)
    assert {name: set(database.tables[name]) for name in ("QoS", "Queue")} == rows
    assert database.replica().port_qos(DPID) == desired
    assert database.write(desired) == []


def test_a_queue_comes_and_goes_under_the_same_qos() -> None:
    database = Database()
    database.write({1: qos(1, 1)})
    assert kinds(database.write({1: qos(1, 1, 2)})) == [("insert", "Queue"), ("update", "QoS")]
    assert kinds(database.write({1: qos(1, 1)})) == [("update", "QoS"), ("delete", "Queue")]


def test_a_type_that_somebody_changed_is_set_right() -> None:
    database = Database()
    database.write({1: qos(1, 1)})
    next(iter(database.tables["QoS"].values()))["type"] = "linux-hfsc"
    assert database.replica().port_qos(DPID) == {}
    assert database.write({1: qos(1, 1)})[0]["row"] == {"type": "linux-htb"}


def test_what_vanished_bridges_left_is_swept_away() -> None:
    database = Database()
    database.write({1: qos(1, 1, 2), 2: qos(2, 3)}, dpid=2)
    del database.tables["Bridge"]["s2"]
    del database.tables["Port"]["s2-eth1"]
    del database.tables["Port"]["s2-eth2"]
    database.write({})
    assert (database.tables["QoS"], database.tables["Queue"]) == ({}, {})


def test_rows_that_ports_share_by_somebodys_hand_are_parted() -> None:
    database = Database()
    database.write({1: qos(1, 1)})
    database.tables["Port"]["s1-eth2"]["qos"] = database.tables["Port"]["s1-eth1"]["qos"]
    desired = {1: qos(1, 1), 2: qos(2, 9)}
    database.write(desired)
    assert database.replica().port_qos(DPID) == desired
    assert database.write(desired) == []


def test_a_queue_of_somebody_elses_is_not_written_to() -> None:
    database = Database()
    database.write({1: qos(1, 1)})
    database.add_foreign("s1-eth2")
    next(iter(database.tables["QoS"].values()))["queues"] = ["map", [[0, ["uuid", "fq"]]]]
    database.write({1: qos(1, 5)})
    assert database.replica().port_qos(DPID) == {1: qos(1, 5)}
    assert database.tables["Queue"]["fq"] == {"other_config": ["map", []], "external_ids": ["map", []]}


def test_a_foreign_qos_on_a_needed_port_is_refused_and_on_another_left() -> None:
    database = Database()
    database.add_foreign("s1-eth2", "linux-hfsc")
    with pytest.raises(
        RowError, match=r"bridge s1, port s1-eth2: .*'linux-hfsc'.*ovs-vsctl clear port s1-eth2 qos"
    ):
        plan_qos(database.replica(), DPID, {1: qos(1, 1), 2: qos(2, 1)})
    before = copy.deepcopy(database.tables)
    database.write({1: qos(1, 1)})
    database.write({})
    assert database.tables == before


def test_an_unknown_port_and_a_bond_are_refused() -> None:
    database = Database()
    with pytest.raises(RowError, match="bridge s1 has no port 9; it has 1, 2, 3"):
        plan_qos(database.replica(), DPID, {9: qos(9, 1)})
    database.tables["Port"]["s1-eth1"]["interfaces"] = ["set", [["uuid", "i-s1-eth1"], ["uuid", "i-s1-eth2"]]]
    with pytest.raises(RowError, match="port s1-eth1: a bond of 2 interfaces"):
        plan_qos(database.replica(), DPID, {1: qos(1, 1)})


rates = st.integers(1, 10**10)
queue_values = st.tuples(rates, rates, st.integers(1, 10**7), st.integers(0, 10**6))
queue_lists = st.dictionaries(st.integers(0, 63), queue_values, max_size=4)


@st.composite
def desired_states(draw: st.DrawFn) -> dict[int, PortQos]:
    chosen = draw(st.sets(st.integers(1, 2)))
    return {
        port_no: PortQos(
            port_no,
            draw(rates),
            tuple(Queue(number, *values) for number, values in sorted(draw(queue_lists).items())),
        )
        for port_no in chosen
    }


@given(st.lists(st.tuples(st.sampled_from([1, 2]), desired_states()), min_size=1, max_size=5))
def test_any_sequence_of_writes_ends_exactly_as_desired(
    writes: list[tuple[int, dict[int, PortQos]]],
) -> None:
    database = Database()
    database.add_foreign("s1-eth3")
    before = copy.deepcopy(database.tables)
    expected: dict[int, dict[int, PortQos]] = {1: {}, 2: {}}
    for dpid, desired in writes:
        kept = {
            name: row["qos"]
            for name, row in database.tables["Port"].items()
            if name.startswith(f"s{dpid}") and row["qos"] != NO_QOS
        }
        expected[dpid] = desired
        database.write(desired, dpid)
        assert {number: database.replica().port_qos(number) for number in (1, 2)} == expected
        assert plan_qos(database.replica(), dpid, desired) == []
        for number in desired:
            # The row stays where there was one: a new one would cost the port its root qdisc.
            name = f"s{dpid}-eth{number}"
            assert database.tables["Port"][name]["qos"] == kept.get(
                name, database.tables["Port"][name]["qos"]
            )
        assert len(database.tables["Queue"]) == 1 + sum(
            len(port.queues) for state in expected.values() for port in state.values()
        )
    database.write({}, 1)
    database.write({}, 2)
    assert database.tables == before
