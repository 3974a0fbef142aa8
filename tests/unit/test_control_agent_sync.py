import json
from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from fairslice.control.agent.loop import REPAIR_S, Agent
from fairslice.control.agent.sync import Outcome, Reconciler, pending, reconcile
from fairslice.control.ovsdb.database import OvsDatabase
from fairslice.control.ovsdb.rows import OwnedPort
from fairslice.errors import MachineError
from fairslice.linux.tc import Result
from fairslice.slicing.state.desired import PortQos, Queue


def owned(name: str, *queue_ids: int) -> OwnedPort:
    queues = tuple(Queue(queue_id, 1_000_000, 9_000_000, 45_000 - queue_id) for queue_id in queue_ids)
    return OwnedPort("s1", name, True, PortQos(1, 9_000_000, queues))


class Kernel:
    """A tc that keeps classes, leaves and filters of ports and answers as tc does."""

    def __init__(self, classes: dict[str, set[int]]) -> None:
        self.classes = classes
        self.leaves: dict[str, dict[int, int]] = {name: {} for name in classes}
        self.filters: dict[str, dict[str, tuple[int, str]]] = {name: {} for name in classes}
        self.forbidden = False
        self.batches: list[list[str]] = []
        self.looked_at: list[list[str]] = []

    def __call__(self, argv: Sequence[str], stdin: str) -> Result:
        if tuple(argv) == ("tc", "-json", "qdisc", "show"):
            return Result(0, json.dumps(self.qdiscs()), "")
        assert tuple(argv) == ("tc", "-force", "-batch", "-")
        lines = stdin.splitlines()
        if lines[0].split()[1] == "show":
            self.looked_at.append(sorted({line.split()[3] for line in lines} - {"lo"}))
            return Result(0, "".join(self.show(line.split()) for line in lines), "")
        self.batches.append(lines)
        errors = [error for line in lines if (error := self.change(line.split()))]
        return Result(1 if errors else 0, "", "\n".join(errors))

    def qdiscs(self) -> list[dict[str, object]]:
        found: list[dict[str, object]] = []
        for name, leaves in self.leaves.items():
            found.append({"kind": "htb", "handle": "1:", "root": True, "dev": name, "options": {}})
            found += [
                {"kind": "bfifo", "parent": f"1:{minor:x}", "dev": name, "options": {"limit": size}}
                for minor, size in leaves.items()
            ]
        return found

    def show(self, words: list[str]) -> str:
        name = words[3]
        if words[0] == "qdisc":
            return "qdisc noqueue 0: root refcnt 2 \n"
        if words[0] == "class" and name in self.classes:
            root = "class htb 1:fffe root \n"
            return (
                root
                if "classid" in words
                else root
                + "".join(f"class htb 1:{minor:x} parent 1:fffe \n" for minor in self.classes.get(name, ()))
            )
        return "".join(
            f"filter parent 1: protocol ip pref 1 u32 chain 0 fh {handle} order 1 key ht 800 bkt 0 "
            f"flowid {flowid} not_in_hw \n  match {dsfield << 16:08x}/00fc0000 at 0\n"
            for handle, (dsfield, flowid) in self.filters.get(name, {}).items()
        )

    def change(self, words: list[str]) -> str:
        name = words[3]
        if self.forbidden:
            return "RTNETLINK answers: Operation not permitted"
        if name not in self.classes:
            return f'Cannot find device "{name}"'
        if words[0] == "qdisc":
            self.leaves[name][int(words[5][2:], 16)] = int(words[-1])
        elif words[1] == "add":
            handle = f"800::{0x800 + len(self.filters[name]):x}"
            self.filters[name][handle] = (int(words[words.index("dsfield") + 1], 16), words[-1])
        else:
            del self.filters[name][words[words.index("handle") + 1]]
        return ""

    def vanish(self, name: str) -> None:
        del self.classes[name], self.leaves[name], self.filters[name]


def test_all_ports_are_changed_in_one_batch_and_then_are_ready() -> None:
    kernel = Kernel({"p1": {1, 2}, "p2": {1, 0x21}})
    ports = [owned("p1", 0, 1), owned("p2", 0, 32)]
    assert len(pending(ports, kernel)) == 2
    assert reconcile(ports, kernel).changed == 2
    assert len(kernel.batches) == 1
    assert pending(ports, kernel) == ()
    assert reconcile(ports, kernel).changed == 0
    assert len(kernel.batches) == 1
    assert kernel.filters["p2"] == {"800::800": (0, "1:1"), "800::801": (0x80, "1:21")}


def test_only_the_port_that_differs_counts() -> None:
    kernel = Kernel({"p1": {1}, "p2": {1}})
    ports = [owned("p1", 0), owned("p2", 0)]
    reconcile(ports, kernel)
    kernel.filters["p2"].clear()
    assert pending(ports, kernel) == ("p2: no filter for DSCP 0",)
    assert reconcile(ports, kernel).changed == 1
    assert {line.split()[3] for line in kernel.batches[1]} == {"p2"}


def test_a_vanished_port_is_pending_and_harms_no_other() -> None:
    kernel = Kernel({"p1": {1}})
    ports = [owned("gone", 0), owned("p1", 0)]
    assert reconcile(ports, kernel) == Outcome(1, ("gone: no such device",))


def test_a_port_that_vanishes_between_looking_and_changing_harms_no_other() -> None:
    kernel = Kernel({"p1": {1}, "p2": {1}})

    def runner(argv: Sequence[str], stdin: str) -> Result:
        if stdin.startswith("qdisc replace") and "p1" in kernel.classes:
            kernel.vanish("p1")
        return kernel(argv, stdin)

    outcome = reconcile([owned("p1", 0), owned("p2", 0)], runner)
    assert outcome.pending == ("p1: no such device",)
    assert 'Cannot find device "p1"' in outcome.complaint
    assert kernel.leaves == {"p2": {1: 45_000}}


def test_without_permission_it_says_so() -> None:
    kernel = Kernel({"p1": {1}})
    kernel.forbidden = True
    with pytest.raises(MachineError, match=r"not permitted.*must run as root in the network namespace"):
        reconcile([owned("p1", 0)], kernel)


def test_no_ports_are_no_work() -> None:
    def nobody(argv: Sequence[str], stdin: str) -> Result:
        raise AssertionError(argv)

    assert reconcile([], nobody) == Outcome()


def deeper(port: OwnedPort) -> OwnedPort:
    queues = tuple(replace(queue, buffer_bytes=queue.buffer_bytes + 7) for queue in port.qos.queues)
    return replace(port, qos=replace(port.qos, queues=queues))


class TestReconciler:
    """Between looks at everything it works on what the database has changed, and knows what it did itself."""

    def ready(self) -> tuple[Kernel, Reconciler, list[OwnedPort]]:
        kernel = Kernel({"p1": {1, 2}, "p2": {1, 2}, "p3": {1, 2}})
        ports = [owned(name, 0, 1) for name in kernel.classes]
        reconciler = Reconciler(kernel)
        assert reconciler.reconcile(ports).changed == 3
        kernel.batches.clear()
        kernel.looked_at.clear()
        return kernel, reconciler, ports

    def test_what_the_database_has_not_changed_costs_nothing(self) -> None:
        kernel, reconciler, ports = self.ready()
        kernel.filters["p1"].clear()
        assert reconciler.reconcile(ports, anew=False) == Outcome()
        assert (kernel.batches, kernel.looked_at) == ([], [])
        assert reconciler.reconcile(ports).changed == 1, "a look at everything finds what others changed"
        assert pending(ports, kernel) == ()

    def test_another_depth_is_set_without_a_look(self) -> None:
        kernel, reconciler, ports = self.ready()
        ports[1] = deeper(ports[1])
        assert reconciler.reconcile(ports, anew=False) == Outcome(changed=1)
        assert [line.split()[:4] for line in kernel.batches[0]] == [["qdisc", "replace", "dev", "p2"]] * 2
        assert kernel.looked_at == []
        assert pending(ports, kernel) == ()
        # What it did is what it knows.
        ports[1] = deeper(ports[1])
        assert reconciler.reconcile(ports, anew=False).changed == 1
        assert reconciler.reconcile(ports).changed == 0

    def test_another_queue_is_looked_for_at_its_port_alone(self) -> None:
        kernel, reconciler, ports = self.ready()
        ports[2] = owned("p3", 0, 1, 5)
        outcome = reconciler.reconcile(ports, anew=False)
        assert outcome.pending == ("p3: no class for queue 5",)
        kernel.classes["p3"].add(6)
        assert reconciler.reconcile(ports, anew=False) == Outcome(changed=1)
        assert {name for names in kernel.looked_at for name in names} == {"p3"}
        assert pending(ports, kernel) == ()

    def test_a_port_that_was_made_anew_is_looked_at(self) -> None:
        """Its rows say the same, and nothing of it is left."""
        kernel, reconciler, ports = self.ready()
        kernel.leaves["p1"].clear()
        kernel.filters["p1"].clear()
        ports[0] = owned("p1", 0, 1)
        assert reconciler.reconcile(ports, anew=False).changed == 1
        assert pending(ports, kernel) == ()

    def test_a_port_that_went_and_came_back_is_looked_at(self) -> None:
        kernel, reconciler, ports = self.ready()
        reconciler.reconcile(ports[1:], anew=False)
        kernel.leaves["p1"].clear()
        assert reconciler.reconcile([deeper(ports[0]), *ports[1:]], anew=False).changed == 1
        assert kernel.looked_at[0] == ["p1"]

    def test_after_a_failure_all_that_was_to_change_is_looked_at(self) -> None:
        kernel, reconciler, ports = self.ready()
        kernel.vanish("p2")
        ports = [deeper(port) for port in ports]
        outcome = reconciler.reconcile(ports, anew=False)
        assert 'Cannot find device "p2"' in outcome.complaint
        assert outcome.pending == ("p2: no such device",)
        assert pending([ports[0], ports[2]], kernel) == ()
        kernel.forbidden = True
        with pytest.raises(MachineError, match="not permitted"):
            reconciler.reconcile([deeper(port) for port in ports], anew=False)
        kernel.forbidden = False
        kernel.looked_at.clear()
        reconciler.reconcile(ports, anew=False)
        assert "p1" in kernel.looked_at[0]


class FakeDatabase:
    """What the agent needs of a database."""

    def __init__(self, *ports: OwnedPort) -> None:
        self.ports = ports
        self.nudges = 0
        self.reads = 0

    def owned_ports(self) -> tuple[OwnedPort, ...]:
        self.reads += 1
        return self.ports

    def nudge(self) -> None:
        self.nudges += 1


class TestAgent:
    def agent(self, database: FakeDatabase, kernel: Kernel) -> Agent:
        self.now = 100.0
        return Agent(cast(OvsDatabase, database), kernel, lambda: self.now)

    def test_a_class_that_its_filter_held_is_left_to_open_vswitch_once_the_filter_is_gone(self) -> None:
        kernel = Kernel({"p1": {1, 2}})
        database = FakeDatabase(owned("p1", 0, 1))
        agent = self.agent(database, kernel)
        agent.step()
        database.ports = (owned("p1", 0),)
        assert not agent.step().stale
        assert database.reads == 1
        agent.forget()
        assert agent.step().stale
        assert database.reads == 2
        assert list(kernel.filters["p1"].values()) == [(0, "1:1")]
        assert database.nudges == 1
        # Open vSwitch's answer comes as a change: no second nudge for it.
        agent.step()
        assert database.nudges == 1
        self.now += REPAIR_S
        agent.step()
        assert database.nudges == 2
        kernel.classes["p1"] = {1}
        self.now += REPAIR_S
        assert not agent.step().stale
        assert database.nudges == 2

    def test_it_looks_often_while_something_is_missing_but_not_for_ever(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        agent = self.agent(FakeDatabase(owned("p1", 0, 1)), Kernel({"p1": {1}}))
        pauses = [agent.pause_s(agent.step()) for _ in range(40)]
        assert pauses[0] < 0.5
        assert pauses[-1] == REPAIR_S
        warnings = [record.getMessage() for record in caplog.records]
        assert warnings == ["still not ready: p1: no class for queue 1"]
        assert agent.pause_s(Outcome()) == REPAIR_S
