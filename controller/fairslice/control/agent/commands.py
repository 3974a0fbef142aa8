"""From what a port's tc state is and what its QoS asks for, the tc commands that are missing; pure."""

from collections.abc import Iterable

from fairslice.linux.tc import DscpFilter, TcState, class_minor, dscp_filter, leaf
from fairslice.slicing.state.desired import PortQos, Queue

DEFAULT_QUEUE = 0
"""Open vSwitch always makes its class, and sends there what nothing classifies."""

MAX_DSCP = 63


def commands(name: str, current: TcState, qos: PortQos, userspace: bool) -> list[str]:
    """Lines for ``tc -batch`` that complete a port named ``name``; empty if all is right.

    Each queue's class gets a leaf that holds its ``buffer_bytes``; on a userspace datapath, where OpenFlow's
    set_queue has no effect, each queue gets a filter on the DSCP of the same number. A class that Open
    vSwitch has not made yet gets nothing: see :func:`lacks`. A class of no queue, or of one whose depth is
    not in OVSDB (0), keeps the leaf that it has. Other filters than those on a DSCP alone are left alone.
    """
    if not current.htb:
        return []
    lines = [leaf(name, class_minor(queue.queue_id), queue.buffer_bytes) for queue in _misfit(current, qos)]
    if not userspace:
        return lines
    kept, wrong = _sorted_out(current.filters, qos)
    lines += [f"filter del dev {name} parent 1: protocol ip prio 1 handle {f.handle} u32" for f in wrong]
    lines += [
        dscp_filter(name, queue_id, class_minor(queue_id))
        for queue_id in _dscps(qos)
        if queue_id not in kept and class_minor(queue_id) in current.classes
    ]
    return lines


def lacks(current: TcState | None, qos: PortQos, userspace: bool) -> str:
    """What a port still lacks, in words; empty if it is ready."""
    if current is None:
        return "no such device"
    if not current.htb:
        return "no linux-htb root qdisc"
    missing = [queue_id for queue_id in _queue_ids(qos) if class_minor(queue_id) not in current.classes]
    if missing:
        return f"no class for queue {_listed(missing)}"
    unsaid = [queue.queue_id for queue in qos.queues if queue.buffer_bytes <= 0]
    if unsaid:
        return f"no depth in OVSDB for queue {_listed(unsaid)}"
    leafless = [f"{queue.buffer_bytes} bytes for queue {queue.queue_id}" for queue in _misfit(current, qos)]
    if leafless:
        return f"no leaf of {', '.join(leafless)}"
    if userspace:
        kept, wrong = _sorted_out(current.filters, qos)
        unfiltered = [queue_id for queue_id in _dscps(qos) if queue_id not in kept]
        if unfiltered:
            return f"no filter for DSCP {_listed(unfiltered)}"
        if wrong:
            return f"a wrong filter for DSCP {_listed(sorted({f.dscp for f in wrong}))}"
    return ""


def stale_classes(current: TcState, qos: PortQos) -> frozenset[int]:
    """Queue ids of classes that the QoS no longer has.

    The kernel refuses to delete a class that a filter leads to ("Device or resource busy"), so
    Open vSwitch fails to when a queue goes, and must be made to try again when the filter is gone.
    """
    return frozenset(minor - 1 for minor in current.classes) - {*_queue_ids(qos), DEFAULT_QUEUE}


def _sorted_out(
    filters: Iterable[DscpFilter], qos: PortQos
) -> tuple[dict[int, DscpFilter], list[DscpFilter]]:
    """The right filter of each DSCP, and those that are wrong or too many."""
    wanted = set(_dscps(qos))
    kept: dict[int, DscpFilter] = {}
    wrong = []
    for found in filters:
        if found.dscp in wanted and found.minor == class_minor(found.dscp) and found.dscp not in kept:
            kept[found.dscp] = found
        else:
            wrong.append(found)
    return kept, wrong


def _queue_ids(qos: PortQos) -> list[int]:
    return [queue.queue_id for queue in qos.queues]


def _dscps(qos: PortQos) -> list[int]:
    return [queue_id for queue_id in _queue_ids(qos) if queue_id <= MAX_DSCP]


def _misfit(current: TcState, qos: PortQos) -> list[Queue]:
    """Queues whose class is there, but without a leaf of the right depth."""
    return [
        queue
        for queue in qos.queues
        if (minor := class_minor(queue.queue_id)) in current.classes
        and current.leaf_bytes.get(minor) != queue.buffer_bytes
        # A leaf of no bytes would drop everything.
        and queue.buffer_bytes > 0
    ]


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in numbers)
