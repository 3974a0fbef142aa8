import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.control.agent.commands import commands, lacks, stale_classes
from fairslice.linux.tc import DscpFilter, TcState
from fairslice.slicing.state.desired import PortQos, Queue

LEAVES = {1: 312_500, 2: 62_500, 11: 6250}
QOS = PortQos(
    1, 50_000_000, tuple(Queue(minor - 1, 1_000_000, 50_000_000, size) for minor, size in LEAVES.items())
)
CLASSES = frozenset(LEAVES)
FILTERS = tuple(DscpFilter(f"800::80{n}", dscp, dscp + 1) for n, dscp in enumerate((0, 1, 10)))
READY = TcState(True, CLASSES, LEAVES, FILTERS)


def test_a_port_fresh_from_open_vswitch_gets_leaves_and_filters_with_hexadecimal_classes() -> None:
    assert commands("p1", TcState(True, CLASSES), QOS, userspace=True) == [
        "qdisc replace dev p1 parent 1:1 bfifo limit 312500",
        "qdisc replace dev p1 parent 1:2 bfifo limit 62500",
        "qdisc replace dev p1 parent 1:b bfifo limit 6250",
        "filter add dev p1 parent 1: protocol ip prio 1 u32 match ip dsfield 0x00 0xfc flowid 1:1",
        "filter add dev p1 parent 1: protocol ip prio 1 u32 match ip dsfield 0x04 0xfc flowid 1:2",
        "filter add dev p1 parent 1: protocol ip prio 1 u32 match ip dsfield 0x28 0xfc flowid 1:b",
    ]


def test_the_kernel_datapath_needs_no_filters() -> None:
    bare = dataclasses.replace(READY, filters=())
    assert commands("p1", bare, QOS, userspace=False) == []
    assert lacks(bare, QOS, userspace=False) == ""
    assert lacks(bare, QOS, userspace=True) == "no filter for DSCP 0, 1, 10"


def test_a_port_that_is_right_needs_nothing() -> None:
    assert commands("p1", READY, QOS, userspace=True) == []
    assert lacks(READY, QOS, userspace=True) == ""


def test_a_wrong_and_a_second_filter_go_by_their_handles() -> None:
    wrong = DscpFilter("800::900", 1, 3)
    second = DscpFilter("800::901", 10, 11)
    unknown = DscpFilter("800::902", 5, 6)
    state = dataclasses.replace(READY, filters=(FILTERS[0], wrong, FILTERS[2], second, unknown))
    assert commands("p1", state, QOS, userspace=True) == [
        "filter del dev p1 parent 1: protocol ip prio 1 handle 800::900 u32",
        "filter del dev p1 parent 1: protocol ip prio 1 handle 800::901 u32",
        "filter del dev p1 parent 1: protocol ip prio 1 handle 800::902 u32",
        "filter add dev p1 parent 1: protocol ip prio 1 u32 match ip dsfield 0x04 0xfc flowid 1:2",
    ]
    assert lacks(state, QOS, userspace=True) == "no filter for DSCP 1"
    extra = dataclasses.replace(READY, filters=(*FILTERS, unknown))
    assert lacks(extra, QOS, userspace=True) == "a wrong filter for DSCP 5"


def test_the_class_of_the_default_queue_is_left_alone_if_nothing_describes_it() -> None:
    """Open vSwitch makes it even so."""
    qos = dataclasses.replace(QOS, queues=QOS.queues[1:])
    bare = TcState(True, CLASSES)
    lines = commands("p1", bare, qos, userspace=True)
    assert len(lines) == 4
    assert not any(line.endswith("flowid 1:1") or "parent 1:1 " in line for line in lines)
    assert lacks(apply(bare, lines), qos, userspace=True) == ""
    assert stale_classes(READY, qos) == frozenset()


def test_one_queue_of_another_depth_is_one_command() -> None:
    deeper = dataclasses.replace(QOS.queues[1], buffer_bytes=70_000)
    qos = dataclasses.replace(QOS, queues=(QOS.queues[0], deeper, QOS.queues[2]))
    lines = commands("p1", READY, qos, userspace=True)
    assert lines == ["qdisc replace dev p1 parent 1:2 bfifo limit 70000"]
    assert lacks(READY, qos, userspace=True) == "no leaf of 70000 bytes for queue 1"


def test_a_queue_whose_depth_nobody_has_written_keeps_its_leaf() -> None:
    """So a new agent on an earlier version's database drops nothing until the controller has mended it."""
    unsaid = dataclasses.replace(QOS.queues[1], buffer_bytes=0)
    qos = dataclasses.replace(QOS, queues=(QOS.queues[0], unsaid, QOS.queues[2]))
    assert commands("p1", READY, qos, userspace=True) == []
    assert lacks(READY, qos, userspace=True) == "no depth in OVSDB for queue 1"


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (None, "no such device"),
        (TcState(), "no linux-htb root qdisc"),
        (TcState(True, frozenset({1})), "no class for queue 1, 10"),
        (
            TcState(True, CLASSES, {1: 312_500, 2: 1}),
            "no leaf of 62500 bytes for queue 1, 6250 bytes for queue 10",
        ),
    ],
)
def test_what_is_lacking_in_words(state: TcState | None, text: str) -> None:
    assert lacks(state, QOS, userspace=False) == text
    assert lacks(state, QOS, userspace=True) == text


def test_nothing_is_done_for_what_open_vswitch_has_not_made_yet() -> None:
    assert commands("p1", TcState(), QOS, userspace=True) == []
    lines = commands("p1", TcState(True, frozenset({1})), QOS, userspace=True)
    assert [line.split()[0] for line in lines] == ["qdisc", "filter"]
    assert all("1:1" in line for line in lines)


def test_classes_of_queues_that_are_gone_are_stale() -> None:
    qos = dataclasses.replace(QOS, queues=QOS.queues[:2])
    assert stale_classes(READY, qos) == {10}


def apply(state: TcState, lines: list[str]) -> TcState:
    """What the kernel makes of the commands."""
    leaves = dict(state.leaf_bytes)
    filters = list(state.filters)
    for number, line in enumerate(lines):
        words = line.split()
        if words[0] == "qdisc":
            minor = int(words[words.index("parent") + 1][2:], 16)
            assert minor in state.classes
            leaves[minor] = int(words[-1])
        elif words[1] == "del":
            handle = words[words.index("handle") + 1]
            assert handle in {found.handle for found in filters}
            filters = [found for found in filters if found.handle != handle]
        else:
            dsfield = int(words[words.index("dsfield") + 1], 16)
            filters.append(DscpFilter(f"new::{number}", dsfield >> 2, int(words[-1][2:], 16)))
    return TcState(state.htb, state.classes, leaves, tuple(filters))


minors = st.integers(1, 64)
tc_states = st.builds(
    lambda classes, leaves, pairs: TcState(
        True,
        frozenset(classes | {1}),
        {minor: size for minor, size in leaves.items() if minor in classes},
        tuple(DscpFilter(f"800::{n:x}", *pair) for n, pair in enumerate(pairs)),
    ),
    st.sets(minors),
    st.dictionaries(minors, st.integers(1, 3)),
    st.lists(st.tuples(st.integers(0, 63), minors), max_size=6),
)


@given(tc_states, st.dictionaries(st.integers(0, 80), st.integers(1, 3)), st.booleans())
def test_from_any_state_one_application_is_enough(
    state: TcState, queue_ids: dict[int, int], userspace: bool
) -> None:
    qos = PortQos(1, 9, tuple(Queue(queue_id, 1, 9, size) for queue_id, size in sorted(queue_ids.items())))
    after = apply(state, commands("p1", state, qos, userspace))
    assert commands("p1", after, qos, userspace) == []
    for queue_id, size in queue_ids.items():
        assert after.leaf_bytes.get(queue_id + 1) == (size if queue_id + 1 in state.classes else None)
    missing = {queue_id + 1 for queue_id in queue_ids} - state.classes
    assert bool(lacks(after, qos, userspace)) == bool(missing)
    if userspace:
        # Every DSCP leads to its own class or, without a class, nowhere.
        assert sorted((found.dscp, found.minor) for found in after.filters) == sorted(
            (queue_id, queue_id + 1)
            for queue_id in queue_ids
            if queue_id <= 63 and (queue_id + 1 in state.classes or (queue_id, queue_id + 1) in _pairs(state))
        )


def _pairs(state: TcState) -> set[tuple[int, int]]:
    return {(found.dscp, found.minor) for found in state.filters}
