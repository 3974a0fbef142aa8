"""What passed, where Open vSwitch credits entries before packets are dropped or told apart."""

import pytest

from fairslice.control.app.passed import what_passed
from fairslice.control.openflow.decode import EntryCounter, MeterCounter
from fairslice.slicing.state.desired import FlowEntry, MatchField
from fairslice.slicing.state.labels import FLOW_METERS, RETURN_METERS, Cookie, Role

THERE: tuple[MatchField, ...] = (("ipv4_dst", "10.0.0.2"), ("ipv4_src", "10.0.0.1"))
PROBED: tuple[MatchField, ...] = (*THERE, ("tcp_dst", 5201))


def counted(
    role: Role,
    flow: int,
    count: int,
    match: tuple[MatchField, ...] = THERE,
    *,
    table: int = 1,
    meter_id: int | None = None,
    longer_than: int | None = None,
) -> EntryCounter:
    """``count`` packets of 100 bytes each."""
    marked = match if role is Role.CLASSIFY else (*match, ("ip_dscp", 1))
    entry = FlowEntry(
        table,
        int(role),
        tuple(sorted(marked)),
        int(Cookie(role, 1, flow)),
        meter_id=meter_id,
        longer_than=longer_than,
        outputs=(1,),
    )
    return EntryCounter(entry, count, 100 * count)


def meter(meter_id: int, came: int, dropped: int) -> MeterCounter:
    return MeterCounter(meter_id, came, 100 * came, dropped, 100 * dropped)


def passed(entries: list[EntryCounter], meters: list[MeterCounter]) -> list[tuple[int, int]]:
    return [(entry.packets, entry.bytes) for entry in what_passed(entries, meters)]


def test_what_a_meter_drops_at_the_only_switch_has_not_left_it() -> None:
    entries = [
        counted(Role.CLASSIFY, 7, 1000, table=0, meter_id=FLOW_METERS + 7),
        counted(Role.DELIVER, 7, 200),
        counted(Role.PROBE, 7, 800, PROBED),
        counted(Role.DELIVER, 8, 500),
    ]
    assert passed(entries, [meter(FLOW_METERS + 7, 1000, 750)]) == [
        (1000, 100_000),
        (50, 5000),
        (200, 20_000),
        (500, 50_000),  # of another flow, which came in elsewhere
    ]


def test_at_the_last_of_several_switches_counts_are_what_came() -> None:
    entries = [counted(Role.DELIVER, 7, 200), counted(Role.PROBE, 7, 800, PROBED)]
    # The meter of that number is another switch's business.
    assert passed(entries, [meter(FLOW_METERS + 7, 1000, 750)]) == [(200, 20_000), (800, 80_000)]


@pytest.mark.parametrize("lost", [0, 10])
def test_both_answers_are_credited_and_the_meter_tells_them_apart(lost: int) -> None:
    """1,000 segments of a flow, and 40 acknowledgements of flow 8 the other way."""
    entries = [
        counted(Role.CLASSIFY, 7, 1040, table=0, longer_than=94),
        counted(Role.RETURN, 8, 1040, meter_id=RETURN_METERS + 8),
        counted(Role.PROBE, 7, 990, PROBED),
        counted(Role.DELIVER, 7, 50),
    ]
    meters = [meter(FLOW_METERS + 7, 1000, 0), meter(RETURN_METERS + 8, 40, lost)]
    assert passed(entries, meters) == [
        (1000, 100_000),
        (40 - lost, 100 * (40 - lost)),
        (990, 99_000),
        (10, 1000),
    ]


def test_acknowledgements_that_came_by_themselves_are_counted_where_they_did() -> None:
    entries = [
        counted(Role.RETURN, 8, 30, table=0, meter_id=RETURN_METERS + 8),
        counted(Role.RETURN, 8, 1000, meter_id=RETURN_METERS + 8),
    ]
    assert passed(entries, [meter(RETURN_METERS + 8, 70, 0)]) == [(30, 3000), (40, 4000)]


def test_without_a_meters_count_nothing_is_made_up() -> None:
    entries = [
        counted(Role.CLASSIFY, 7, 10, table=0),
        counted(Role.DELIVER, 7, 10),
        counted(Role.RETURN, 8, 10, meter_id=RETURN_METERS + 8),
    ]
    assert passed(entries, []) == [(10, 1000), (10, 1000), (0, 0)]
    assert passed([], []) == []
