"""A token bucket and a sender of bursts: what passes, what a policer drops, and what waits in a shaper."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from fairslice.models.buckets import (
    Policed,
    Shaped,
    longest_burst,
    packets_at_peak,
    police,
    shape,
    smallest_burst,
)
from fairslice.models.buckets.problem import TokenBucketProblem

if TYPE_CHECKING:
    from rich.console import RenderableType

    from fairslice.cli.demos.stage import Stage

LENGTH = 12
"""Of a packet of 1500 bytes, in kbit; times are in ms, so rates in kbit/ms, which is Mbit/s."""
RATE, BURST, PEAK = Fraction(6, 5), 12 * LENGTH, 12
_BURSTS, _MEAN_PACKETS, _MEAN_SILENCE_MS = 8, 14, 180
_CELLS = 36


@dataclass(frozen=True)
class _Told:
    """The trace, and what a policer and a shaper did with it."""

    arrivals: list[int]
    policed: Policed
    shaped: Shaped
    smallest: Fraction

    @property
    def lengths(self) -> list[int]:
        return [LENGTH] * len(self.arrivals)

    @property
    def waits(self) -> list[Fraction]:
        return [
            left - came
            for left, came in zip(self.shaped.departs, self.arrivals, strict=True)
            if left is not None
        ]


def tell(stage: "Stage") -> None:
    """Bursts of random length at ten times the rate; a bucket of twelve packets."""
    told = _told(stage.seed)
    stage.say(
        "A camera sends pictures: bursts of packets of 1500 bytes, a millisecond apart, which is 12 Mbit/s."
        " Then it is silent. It was promised 1.2 Mbit/s, a tenth of that. Tokens come at this rate, one for"
        " each bit, and a bucket keeps up to 144 kbit of them, which is twelve packets. It is full at first."
    )
    stage.say("First a policer: a packet that finds its length in tokens passes (o), others are dropped (x).")
    stage.play(_policing(told), 9)
    dropped = told.policed.conforms.count(False)
    stage.say(
        f"Of {len(told.arrivals)} packets {dropped} were dropped. A dropped packet takes no tokens, so the"
        " bucket goes on filling while too much comes."
    )
    stage.say("Now a shaper with the same bucket: what finds too little waits in a queue.")
    stage.play(_shaping(told), 9)
    stage.say(
        f"Nothing was lost, and the longest wait was {_ms(max(told.waits))}. Loss or delay: a bucket leaves"
        " only that choice."
    )
    stage.numbers(
        "What came out, and what the formula says",
        ("", "came out", "formula", "says", "from"),
        _numbers(told),
    )
    problem = TokenBucketProblem.model_validate(
        {
            "rate": RATE,
            "burst": BURST,
            "mode": "police",
            "packets": [{"arrival": at, "length": LENGTH} for at in told.arrivals],
        }
    )

    def drawn() -> str:
        from fairslice.report.models.token_bucket_picture import draw

        return draw(problem, problem.answer())

    stage.picture(drawn)


def _told(seed: int) -> _Told:
    rng = np.random.default_rng(seed)
    arrivals: list[int] = []
    now = 0
    for packets, silence in zip(
        rng.geometric(1 / _MEAN_PACKETS, _BURSTS), rng.exponential(_MEAN_SILENCE_MS, _BURSTS), strict=True
    ):
        arrivals += range(now, now + int(packets))
        now += int(packets) + round(silence)
    lengths = [LENGTH] * len(arrivals)
    policed, shaped = police(arrivals, lengths, RATE, BURST), shape(arrivals, lengths, RATE, BURST)
    smallest = smallest_burst(arrivals, lengths, RATE)
    assert isinstance(policed, Policed)
    assert isinstance(shaped, Shaped)
    assert isinstance(smallest, Fraction)
    return _Told(arrivals, policed, shaped, smallest)


def _policing(told: _Told) -> Iterator["RenderableType"]:
    marks = ""
    for at, passed, tokens in zip(
        told.arrivals, told.policed.conforms, told.policed.tokens_before, strict=True
    ):
        marks += "o" if passed else "x"
        left = tokens - LENGTH if passed else tokens
        yield _frame(at, left, (("packets", marks[-_CELLS:]), ("dropped", str(marks.count("x")))))


def _shaping(told: _Told) -> Iterator["RenderableType"]:
    departs = told.shaped.departs
    for i, at in enumerate(told.arrivals):
        sent = sum(left is not None and left <= at for left in departs[: i + 1])
        waiting = i + 1 - sent
        queue = "o" * min(waiting, _CELLS) + (f" and {waiting - _CELLS} more" if waiting > _CELLS else "")
        tokens = _tokens_at(told, sent, at)
        yield _frame(at, tokens, (("queue", queue), ("sent", str(sent))))


def _tokens_at(told: _Told, sent: int, now: int) -> Fraction:
    """What the shaper's bucket holds once so many packets have left."""
    if not sent:
        return Fraction(BURST)
    left = told.shaped.departs[sent - 1]
    assert left is not None, "a packet is shorter than the bucket"
    found = told.shaped.tokens_before[sent - 1]
    turn = max(Fraction(told.arrivals[sent - 1]), _left(told, sent - 2))
    after = found + RATE * (left - turn) - LENGTH
    return min(Fraction(BURST), after + RATE * (now - left))


def _left(told: _Told, number: int) -> Fraction:
    left = told.shaped.departs[number] if number >= 0 else None
    return Fraction(told.arrivals[0]) if left is None else left


def _frame(at: int, tokens: Fraction, rows: tuple[tuple[str, str], ...]) -> "RenderableType":
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    full = round(_CELLS * tokens / BURST)
    table.add_row("time", f"{at} ms")
    table.add_row("bucket", f"[{'=' * full}{' ' * (_CELLS - full)}] {float(tokens):5.1f} of {BURST} kbit")
    for row in rows:
        table.add_row(*row)
    return table


def _numbers(told: _Told) -> Iterator[tuple[str, ...]]:
    train = packets_at_peak(PEAK, RATE, BURST, LENGTH)
    assert train is not None, "the peak is above the rate"
    endless = police([i * LENGTH // PEAK for i in range(3 * train)], [LENGTH] * 3 * train, RATE, BURST)
    assert isinstance(endless, Policed)
    at_once = endless.conforms.index(False)
    fluid = longest_burst(PEAK, RATE, BURST)
    assert fluid is not None
    yield (
        "packets at the peak from a full bucket",
        str(at_once),
        "1 + (b - l) / (l (1 - r/p)), cut",
        str(train),
        "Tanenbaum 2003, 5.4",
    )
    yield ("the same as a fluid", f"{at_once} ms", "b / (p - r)", _ms(fluid.duration), "the same")
    window, most = _busiest(told)
    yield (
        f"most that passed in {window} ms",
        f"{most} kbit",
        "at most b + r t",
        f"{float(BURST + RATE * window):g} kbit",
        "Cruz 1991",
    )
    yield (
        "the shaper's longest wait",
        _ms(max(told.waits)),
        "(smallest burst - b) / r",
        _ms(max(Fraction(0), told.smallest - BURST) / RATE),
        "Cruz 1991",
    )
    yield (
        f"dropped if b = {float(told.smallest):g} kbit",
        str(_dropped(told, told.smallest)),
        "the smallest burst for all",
        "0",
        "its definition",
    )
    yield (
        "dropped with a bit less",
        str(_dropped(told, told.smallest - Fraction(1, 1000))),
        "no smaller one will do",
        "1 or more",
        "its definition",
    )


def _busiest(told: _Told) -> tuple[int, int]:
    """The stretch of time in which most passed beyond the rate: how long, and how much."""
    passed = [at for at, ok in zip(told.arrivals, told.policed.conforms, strict=True) if ok]
    _, window, most = max(
        (LENGTH * (j - i + 1) - RATE * (passed[j] - passed[i]), passed[j] - passed[i], LENGTH * (j - i + 1))
        for i in range(len(passed))
        for j in range(i, len(passed))
    )
    return window, most


def _dropped(told: _Told, burst: Fraction) -> int:
    found = police(told.arrivals, told.lengths, RATE, burst)
    assert isinstance(found, Policed)
    return found.conforms.count(False)


def _ms(time: Fraction) -> str:
    return f"{float(time):.4g} ms"
