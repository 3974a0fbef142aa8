import pytest

from fairslice.errors import MachineError
from fairslice.measure.counters import FlowCounter, Snapshot, delivered, difference, rate_bps


def snapshot(time_s: float, **counters: tuple[int, int]) -> Snapshot[str]:
    return Snapshot(time_s, {name: FlowCounter(*pair) for name, pair in counters.items()})


def test_rates_are_bits_of_frames_a_second() -> None:
    before = snapshot(100.0, gold=(10, 15_140), silver=(0, 0))
    after = snapshot(104.0, gold=(1010, 1_529_140), silver=(0, 0))
    assert rate_bps(before, after) == {"gold": 1000 * 1514 * 8 / 4, "silver": 0.0}
    rates = difference(before, after)
    assert rates.window_s == 4.0
    assert rates.rises["gold"] == FlowCounter(1000, 1_514_000)
    assert rates.rate_pps("gold") == 250


def test_a_counter_that_begins_in_the_window_began_at_zero() -> None:
    assert rate_bps(snapshot(0.0), snapshot(2.0, bronze=(1, 100))) == {"bronze": 400.0}


def test_counters_that_went_back_are_all_named() -> None:
    before = snapshot(0.0, gold=(10, 1000), silver=(10, 1000), bronze=(5, 500), fine=(1, 1))
    after = snapshot(1.0, gold=(11, 900), silver=(9, 1000), fine=(2, 2))
    with pytest.raises(MachineError) as caught:
        rate_bps(before, after)
    message = str(caught.value)
    assert "gold: its counter went back from 10 packets, 1000 bytes to 11 packets, 900 bytes" in message
    assert "silver: its counter went back" in message
    assert "bronze: its counter is gone after 500 bytes" in message
    assert "fine" not in message


@pytest.mark.parametrize("end", [1.0, 0.5, float("nan")])
def test_no_time_between_snapshots(end: float) -> None:
    with pytest.raises(MachineError, match="expected more than 0 s"):
        rate_bps(snapshot(1.0), snapshot(end))


def test_a_snapshot_is_a_copy_that_cannot_change() -> None:
    counters = {"gold": FlowCounter(1, 1)}
    taken = Snapshot(0.0, counters)
    counters["gold"] = FlowCounter(2, 2)
    assert taken.counters["gold"] == FlowCounter(1, 1)
    with pytest.raises(TypeError):
        taken.counters["gold"] = FlowCounter(3, 3)  # type: ignore[index]


def test_drops_of_the_last_queue_are_shared_in_proportion() -> None:
    arrivals = {"udp": 9_000_000, "tcp": 1_000_000}
    assert delivered(arrivals, 5_000_000, 10_000_000) == {"udp": 4_500_000, "tcp": 500_000}


def test_others_in_the_queue_take_their_part_of_its_drops() -> None:
    assert delivered({"gold": 6_000_000}, 5_000_000, 10_000_000) == {"gold": 3_000_000}


@pytest.mark.parametrize("sent", [None, 1_000_000, 995_001, 1_004_000, 2_000_000])
def test_a_queue_that_sent_all_but_its_backlog_changes_nothing(sent: int | None) -> None:
    assert delivered({"gold": 1_000_000}, sent, 1_000_000) == {"gold": 1_000_000}


def test_a_little_more_than_the_noise_is_drops() -> None:
    assert delivered({"gold": 1_000_000}, 994_999, 1_000_000) == {"gold": 994_999}


def test_a_queue_that_sent_nothing_or_got_nothing() -> None:
    assert delivered({"gold": 100}, 0, 100) == {"gold": 0}
    assert delivered({"gold": 0}, 0, 0) == {"gold": 0}
    assert delivered({}, 0, 0) == {}


@pytest.mark.parametrize(
    ("arrivals", "sent", "entered"),
    [({"gold": 101}, 100, 100), ({"gold": -1}, 0, 0), ({"gold": 1}, -1, 1), ({}, None, -1)],
)
def test_counters_that_contradict_each_other(
    arrivals: dict[str, int], sent: int | None, entered: int
) -> None:
    with pytest.raises(ValueError, match="flows no more than the queue"):
        delivered(arrivals, sent, entered)
