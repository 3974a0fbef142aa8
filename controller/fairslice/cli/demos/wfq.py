"""Weighted fair queueing: a call, a video and a download share a link by the order of their packets."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from fairslice.models.schedulers import (
    Fluid,
    Hop,
    Served,
    Traffic,
    delay_bound,
    even_pieces,
    fifo,
    gps,
    lag_bound,
    largest_lag,
    virtual_time,
    wfq,
)
from fairslice.models.schedulers.problem import ScheduleProblem

if TYPE_CHECKING:
    from rich.table import Table

    from fairslice.cli.demos.stage import Stage

RATE = Fraction(10)
"""kbit/ms, which is Mbit/s."""
FRAME = Fraction(12)
"""kbit: 1500 bytes, which take 1.2 ms."""
CALL = Fraction(8, 5)
"""kbit: 200 bytes of voice, which take 0.16 ms, every 4 ms."""
WEIGHTS = {"call": 1, "video": 2, "download": 1}
_COLUMNS = 60
_LEVELS = " ▁▂▃▄▅▆▇█"
Sent = Mapping[str, Sequence[float]]
"""Of each flow, its part of the link in each column of the terminal."""


def tell(stage: "Stage") -> None:
    """FIFO, the fluid ideal, and how near packets come to it (Parekh and Gallager 1993)."""
    problem = _problem(stage.seed)
    traffic = problem.traffic()
    fluid = gps(traffic)
    as_they_come, fair = fifo(traffic), wfq(traffic, fluid)
    end = float(max(fair.finish))

    stage.say(
        "A link of 10 Mbit/s sends one packet at a time. A call sends 200 bytes every 4 ms, a video three "
        "full frames every 10 ms, and a download hands over 30 full frames at once. They take turns; but "
        "in which order?"
    )
    stage.say("First in, first out. A bar is what a flow has of the link; time runs to the right.")
    stage.play(_frames([("FIFO", _packets(problem, as_they_come, end))], end), 6)
    waited = _longest(problem, as_they_come, "call")
    stage.say(
        f"The call's packets stand behind the whole download: one takes {waited:.1f} ms. Whoever sends "
        "more, gets more."
    )
    stage.say(
        "The ideal is a fluid. All flows with a backlog are sent at once, each in proportion to its "
        "weight: the call 1, the video 2, the download 1 (generalized processor sharing, GPS). No link can "
        "do that with packets. But one can compute when GPS would be done with each, and send the one "
        "first that it would be done with first: that is weighted fair queueing (WFQ)."
    )
    pictures = [("GPS", _fluid(problem, fluid, end)), ("WFQ", _packets(problem, fair, end))]
    stage.play(_frames(pictures, end), 10)
    stage.say(
        "WFQ has the same shares as GPS, in whole packets. A packet of the call waits only for the frame "
        "that is just being sent, and the download has all that the others leave."
    )
    _numbers(stage, problem, fluid, as_they_come, fair)

    def draw() -> str:
        from fairslice.report.models.schedule_picture import draw

        return draw(problem, {})

    stage.picture(draw)


def _problem(seed: int) -> ScheduleProblem:
    """Times in ms and lengths in kbit; the seed shifts packets, never below their distance."""
    chance = random.Random(seed)
    packets: list[dict[str, object]] = []

    def add(flow: str, arrival: Fraction, length: Fraction) -> None:
        packets.append({"id": len(packets), "flow": flow, "arrival": arrival, "length": length})

    late = Fraction(0)
    for turn in range(13):
        late += Fraction(chance.randrange(50), 100)
        add("call", 4 * turn + late, CALL)
    for turn in range(5):
        begun = 10 * turn + Fraction(chance.randrange(200), 100)
        for _ in range(3):
            add("video", begun, FRAME)
    begun = 3 + Fraction(chance.randrange(200), 100)
    for _ in range(30):
        add("download", begun, FRAME)
    flows = {name: {"weight": weight} for name, weight in WEIGHTS.items()}
    return ScheduleProblem.model_validate(
        {"rate": RATE, "discipline": "wfq", "flows": flows, "packets": packets}
    )


def _packets(problem: ScheduleProblem, served: Served[Fraction], end: float) -> Sent:
    sent = {flow: [0.0] * _COLUMNS for flow in problem.flows}
    for place, packet in enumerate(problem.packets):
        _add(sent[packet.flow], float(served.start[place]), float(served.finish[place]), 1, end)
    return sent


def _fluid(problem: ScheduleProblem, fluid: Fluid[Fraction], end: float) -> Sent:
    points = virtual_time(problem.traffic(), fluid)
    sent = {flow: [0.0] * _COLUMNS for flow in problem.flows}
    for place, packet in enumerate(problem.packets):
        for before, after, speed in even_pieces(points, fluid.start[place], fluid.finish[place]):
            share = float(WEIGHTS[packet.flow] * speed / problem.rate)
            _add(sent[packet.flow], float(before), float(after), share, end)
    return sent


def _add(columns: list[float], start: float, finish: float, share: float, end: float) -> None:
    """Add what is sent from start to finish to the columns that it covers."""
    wide = end / _COLUMNS
    for column in range(int(start / wide), min(_COLUMNS, math.ceil(finish / wide))):
        overlap = min(finish, (column + 1) * wide) - max(start, column * wide)
        columns[column] += share * max(0.0, overlap) / wide


def _frames(pictures: Sequence[tuple[str, Sent]], end: float) -> Iterator["Table"]:
    """The bars from the left, a column more in each frame."""
    from rich.table import Table

    for shown in range(_COLUMNS + 1):
        frame = Table.grid(padding=(0, 1))
        for name, sent in pictures:
            for flow, columns in sent.items():
                levels = (_LEVELS[min(8, math.ceil(8 * part - 1e-9))] for part in columns[:shown])
                frame.add_row(name, flow, "".join(levels).ljust(_COLUMNS))
            frame.add_row("", "", "")
        frame.add_row("", "", f"{shown * end / _COLUMNS:.0f} ms")
        yield frame


def _longest(problem: ScheduleProblem, served: Served[Fraction], flow: str) -> float:
    """The longest delay of a flow's packets, in ms, from their arrival until they have been sent."""
    return float(
        max(
            served.finish[place] - packet.arrival
            for place, packet in enumerate(problem.packets)
            if packet.flow == flow
        )
    )


def _wait_by_length(traffic: Traffic[Fraction], served: Served[Fraction]) -> float:
    waited = sum(
        length * (start - arrival)
        for length, start, arrival in zip(traffic.length, served.start, traffic.arrival, strict=True)
    )
    return float(waited / sum(traffic.length))


def _numbers(
    stage: "Stage",
    problem: ScheduleProblem,
    fluid: Fluid[Fraction],
    as_they_come: Served[Fraction],
    fair: Served[Fraction],
) -> None:
    traffic = problem.traffic()
    guaranteed = float(RATE) * WEIGHTS["call"] / sum(WEIGHTS.values())
    path = [Hop(rate=guaranteed, capacity=float(RATE), largest_packet=float(FRAME))]
    bound = delay_bound(burst=float(CALL), rate=float(CALL) / 4, largest_packet=float(CALL), hops=path)
    lag, most = largest_lag(fair.finish, fluid.finish), lag_bound(traffic)
    assert lag is not None
    assert most is not None
    stage.numbers(
        "Delays in ms",
        ("", "came out", "the formula says", "from"),
        [
            (
                "WFQ behind GPS, at most",
                f"{float(lag):.2f}",
                f"≤ L_max/r = {float(most):.2f}",
                "Parekh, Gallager 1993",
            ),
            (
                "the call with WFQ, longest",
                f"{_longest(problem, fair, 'call'):.2f}",
                f"≤ σ/g + L_max/r = {bound.total:.2f}",
                "Parekh, Gallager 1994",
            ),
            (
                "the call with FIFO, longest",
                f"{_longest(problem, as_they_come, 'call'):.2f}",
                "whatever others send",
                "",
            ),
            (
                "wait of all by length, WFQ",
                f"{_wait_by_length(traffic, fair):.2f}",
                f"= that of FIFO, {_wait_by_length(traffic, as_they_come):.2f}",
                "Kleinrock 1965",
            ),
        ],
    )
    stage.say(
        "The last line is the conservation law: what the call gains, others wait longer, as long as the "
        "link is never idle while a packet waits."
    )
