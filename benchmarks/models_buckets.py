"""Token buckets: how long a trace of a million packets takes, beside the same policer as a SimPy process.

Run it by hand; it prints a table. All that is compared is computed from one trace: exponential gaps in whole
microseconds, packets of 64 to 1514 bytes in bits, and a rate a little above what comes.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from fairslice.models.buckets import Policed, PolicedFloats, police, shape, smallest_burst

PACKETS = 1_000_000
LIMIT_S = 2.0
"""Within which bucket and smallest burst of so many packets are to be done, in exact numbers or in floats."""
SEED = 1


@dataclass(frozen=True)
class Trace:
    """Packets, and the bucket that they meet."""

    arrivals_us: NDArray[np.int64]
    lengths_bits: NDArray[np.int64]
    rate: Fraction
    burst_bits: int

    @classmethod
    def drawn(cls, packets: int = PACKETS, seed: int = SEED) -> "Trace":
        rng = np.random.default_rng(seed)
        arrivals = np.cumsum(rng.exponential(100, packets).astype(np.int64))
        lengths = 8 * rng.integers(64, 1515, packets)
        rate = Fraction(int(lengths.sum()) * 21, int(arrivals[-1]) * 20).limit_denominator(1000)
        return cls(arrivals, lengths, rate, 20 * 1514 * 8)


def in_simpy(trace: Trace) -> list[bool]:
    """The policer as a process that wakes for each packet, as one writes it in SimPy."""
    env: Any = simpy.Environment()
    rate, depth = float(trace.rate), float(trace.burst_bits)
    conforms: list[bool] = []

    def sender() -> Iterator[Any]:
        tokens, last = depth, float(trace.arrivals_us[0])
        for at, length in zip(trace.arrivals_us.tolist(), trace.lengths_bits.tolist(), strict=True):
            yield env.timeout(at - env.now)
            tokens = min(depth, tokens + rate * (env.now - last))
            last = env.now
            conforms.append(length <= tokens)
            if length <= tokens:
                tokens -= length

    env.process(sender())
    env.run()
    return conforms


def timed(call: Callable[[], Any]) -> tuple[float, Any]:
    """How long the faster of two calls takes, in seconds, and what it answers."""
    found = []
    for _ in range(2):
        start = time.perf_counter()
        answer = call()
        found.append((time.perf_counter() - start, answer))
    return min(found, key=lambda one: one[0])


def rows(packets: int = PACKETS) -> Iterator[tuple[str, float, float]]:
    """Rows: what is computed, how long it takes in seconds, and how many times as long SimPy's policer takes.

    The sums that the limit is for have no such ratio: NaN.
    """
    trace = Trace.drawn(packets)
    arrivals, lengths = trace.arrivals_us, trace.lengths_bits
    simpy_s, simulated = timed(partial(in_simpy, trace))
    yield "police, as a process of SimPy", simpy_s, 1.0
    for kind, times, sizes in (
        ("exact", arrivals, lengths),
        ("floats", arrivals.astype(float), lengths.astype(float)),
    ):
        police_s, policed = timed(partial(police, times, sizes, trace.rate, trace.burst_bits))
        assert isinstance(policed, Policed | PolicedFloats)
        differ = int(np.sum(np.array(policed.conforms) != np.array(simulated)))
        # Floats may differ where a packet finds its length to rounding.
        assert differ <= packets / 10_000, f"{differ} packets are judged in another way than by SimPy"
        yield f"police, {kind}", police_s, simpy_s / police_s
        shape_s, _ = timed(partial(shape, times, sizes, trace.rate, trace.burst_bits))
        yield f"shape, {kind}", shape_s, simpy_s / shape_s
        smallest_s, _ = timed(partial(smallest_burst, times, sizes, trace.rate))
        yield f"smallest burst, {kind}", smallest_s, simpy_s / smallest_s
        yield f"police and smallest burst, {kind} (limit {LIMIT_S:g} s)", police_s + smallest_s, float("nan")


def buckets(packets: int = PACKETS) -> None:
    """Print the rows."""
    print(f"{packets:,} packets through token buckets")
    for what, seconds, ratio in rows(packets):
        told = "" if math.isnan(ratio) else f"  SimPy's policer takes {ratio:.1f} times as long"
        print(f"{what:<52} {seconds:6.3f} s{told}")


if __name__ == "__main__":
    buckets()
