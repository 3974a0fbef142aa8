"""What passed a switch, from what its entries and its meters count. Pure.

Open vSwitch credits a packet to every entry that its way through the tables looked at, before anything is
dropped (ofproto-dpif counts what a cached flow of the datapath matched). So where a flow comes in at a switch
and leaves it at once, two counts have to be put right:

* The entries that count a flow as it leaves have counted what its meter, at the same switch, dropped.
* A packet whose length was asked for is credited to both answers. So the entry of acknowledgements has
  counted the
  data, too, and the entries of the data have counted the acknowledgements. Their meter tells how much these
  were.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from fairslice.control.openflow.decode import EntryCounter, MeterCounter
from fairslice.slicing.state.labels import FLOW_METERS, Cookie, Role
from fairslice.slicing.state.pipeline import TABLE_FORWARD


def what_passed(entries: Sequence[EntryCounter], meters: Sequence[MeterCounter]) -> list[EntryCounter]:
    """The entries of one switch with what has really passed each of them, of its meters' counts."""
    by_id = {meter.meter_id: meter for meter in meters}
    here = {cookie.flow_number for cookie in map(_cookie, entries) if cookie and cookie.role is Role.CLASSIFY}
    told = _told(entries, by_id)
    leaving: dict[int, list[EntryCounter]] = defaultdict(list)
    for entry in entries:
        cookie = _cookie(entry)
        if cookie and cookie.role in (Role.DELIVER, Role.PROBE) and cookie.flow_number in here:
            leaving[cookie.flow_number].append(entry)
    came = [(entry, asked) for entry, asked, _ in told]
    right: dict[int, EntryCounter] = {id(entry): passed for entry, _, passed in told}
    # What a flow offers is its data, whatever else meets its match.
    right |= {id(e): _without(e, came) for e in entries if e.entry.longer_than is not None}
    for number, counted in leaving.items():
        right |= _data(counted, came, by_id.get(FLOW_METERS + number))
    return [right.get(id(entry), entry) for entry in entries]


def _cookie(entry: EntryCounter) -> Cookie | None:
    return Cookie.read(entry.entry.cookie)


def _told(
    entries: Sequence[EntryCounter], meters: Mapping[int, MeterCounter]
) -> list[tuple[EntryCounter, EntryCounter, EntryCounter]]:
    """Entries of acknowledgements that were told by their length: as counted, what came, what passed."""
    apart: dict[int | None, list[EntryCounter]] = defaultdict(list)
    direct: dict[int | None, list[EntryCounter]] = defaultdict(list)
    for entry in entries:
        cookie = _cookie(entry)
        if cookie and cookie.role is Role.RETURN:
            by_table = apart if entry.entry.table_id == TABLE_FORWARD else direct
            by_table[entry.entry.meter_id].append(entry)
    found = []
    for meter_id, alike in apart.items():
        meter = meters.get(meter_id or 0, MeterCounter(0, 0, 0, 0, 0))
        came = (
            max(0, meter.in_packets - sum(entry.packets for entry in direct[meter_id])),
            max(0, meter.in_bytes - sum(entry.bytes for entry in direct[meter_id])),
        )
        through = 1 - meter.dropped_bytes / meter.in_bytes if meter.in_bytes else 0.0
        whole = sum(entry.bytes for entry in alike)
        for entry in alike:
            part = entry.bytes / whole if whole else 0.0
            asked = _scaled(entry, came, part)
            found.append((entry, asked, _scaled(entry, came, part * through)))
    return found


def _data(
    counted: Sequence[EntryCounter],
    told: Sequence[tuple[EntryCounter, EntryCounter]],
    meter: MeterCounter | None,
) -> dict[int, EntryCounter]:
    """A flow's entries that count it as it leaves, less others' acknowledgements and what a meter dropped.

    The part that passed is the meter's own: entries are counted up to a second late, meters at once.
    """
    right = {}
    for entry in counted:
        cookie = _cookie(entry)
        is_whole = cookie is not None and cookie.role is Role.DELIVER
        right[id(entry)] = _without(entry, told) if is_whole else entry
    if meter is None or not meter.in_bytes:
        return right
    through = 1 - meter.dropped_bytes / meter.in_bytes
    return {key: _scaled(entry, (entry.packets, entry.bytes), through) for key, entry in right.items()}


def _without(entry: EntryCounter, told: Sequence[tuple[EntryCounter, EntryCounter]]) -> EntryCounter:
    """An entry less the acknowledgements that its match meets."""
    mine = {field for field in entry.entry.match if field[0] != "ip_dscp"}
    others = [asked for one, asked in told if mine <= {*one.entry.match}]
    return replace(
        entry,
        packets=max(0, entry.packets - sum(one.packets for one in others)),
        bytes=max(0, entry.bytes - sum(one.bytes for one in others)),
    )


def _scaled(entry: EntryCounter, counts: tuple[int, int], part: float) -> EntryCounter:
    packets, count_bytes = counts
    return replace(entry, packets=round(packets * part), bytes=round(count_bytes * part))
