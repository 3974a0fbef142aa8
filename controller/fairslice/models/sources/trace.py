"""What a source sends, drawn from a seed: steps of its rate, or packets, and what comes within windows."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fairslice.models.sources.periods import Doubles, Period
from fairslice.models.sources.web import WebPages

WARM_UP_CYCLES = 20
"""Pages before a trace of the web begins, so that it is met at a random moment."""


@dataclass(frozen=True)
class Steps:
    """A rate that is constant between its steps; the first is at 0."""

    duration_s: float
    times_s: Doubles
    rates: Doubles
    """From each time on, in size a second."""

    def sent_by(self, times_s: Doubles) -> Doubles:
        """How much has been sent until then."""
        ends = np.append(self.times_s, self.duration_s)
        return np.interp(times_s, ends, self._sent())

    def packets(self, size: float, phase: float) -> "Packets":
        """A packet leaves whenever one more of it is full, over pauses too, as of ns-3's OnOffApplication.

        Args:
            size: of each packet.
            phase: how much of the first one is there at the beginning, 0 to 1.
        """
        sent = self._sent()
        full = np.arange(1, np.floor(sent[-1] / size + phase) + 1) - phase
        full = full[full * size <= sent[-1]]
        # Of times at which as much has been sent the first counts: not that at the end of a pause.
        place = np.maximum(np.searchsorted(sent, full * size), 1) - 1
        times = self.times_s[place] + (full * size - sent[place]) / self.rates[place]
        return Packets(self.duration_s, times, np.full(len(full), size))

    def _sent(self) -> Doubles:
        lengths = np.diff(np.append(self.times_s, self.duration_s))
        return np.concatenate(([0.0], np.cumsum(self.rates * lengths)))


@dataclass(frozen=True)
class Packets:
    """Packets in the order of their times."""

    duration_s: float
    times_s: Doubles
    lengths: Doubles

    def sent_by(self, times_s: Doubles) -> Doubles:
        """How much has been sent until then, packets of that very moment included."""
        sent = np.concatenate(([0.0], np.cumsum(self.lengths)))
        return np.asarray(sent[np.searchsorted(self.times_s, times_s, side="right")])


Trace = Steps | Packets


def window_rates(trace: Trace, window_s: float) -> Doubles:
    """The mean rate of each whole window of a trace."""
    # A trace of 1 s has ten windows of 0.1 s, though a tenth as a double is a little more than that.
    count = int(trace.duration_s / window_s * (1 + 1e-12))
    return np.diff(trace.sent_by(window_s * np.arange(count + 1.0))) / window_s


def time_mean(trace: Trace) -> float:
    """The mean rate over all of a trace."""
    return float(trace.sent_by(np.array([trace.duration_s]))[0]) / trace.duration_s


def time_variance(steps: Steps) -> float:
    """Of the rate over all of a trace, each moment counted as much as any other."""
    weights = np.diff(np.append(steps.times_s, steps.duration_s)) / steps.duration_s
    mean = float(weights @ steps.rates)
    return float(weights @ (steps.rates - mean) ** 2)


def on_off_steps(
    data_rate: float, on: Period, off: Period, duration_s: float, rng: np.random.Generator
) -> Steps:
    """A source that sends and is silent by turns, met at a random moment: stationary from the beginning."""
    sending = bool(rng.random() < on.mean_s / (on.mean_s + off.mean_s))
    ends = [np.array([(on if sending else off).residual(rng)])]
    end = float(ends[0][-1])
    first, second = (off, on) if sending else (on, off)
    while end < duration_s:
        pairs = 16 + int(1.1 * (duration_s - end) / (on.mean_s + off.mean_s))
        lengths = np.empty(2 * pairs)
        lengths[::2] = first.sample(pairs, rng)
        lengths[1::2] = second.sample(pairs, rng)
        ends.append(end + np.cumsum(lengths))
        end = float(ends[-1][-1])
    times = np.concatenate(([0.0], *ends))
    times = times[times < duration_s]
    rates = np.where(np.arange(len(times)) % 2 == (not sending), data_rate, 0.0)
    return Steps(duration_s, times, rates)


def poisson_packets(
    packet_rate: float, packet_size: float, duration_s: float, rng: np.random.Generator
) -> Packets:
    """A Poisson number of packets, each at a time of its own: given their number, the times are uniform."""
    count = int(rng.poisson(packet_rate * duration_s))
    return Packets(duration_s, np.sort(rng.uniform(0, duration_s, count)), np.full(count, packet_size))


def web_objects(pages: WebPages, duration_s: float, rng: np.random.Generator) -> Packets:
    """The objects of a reader's pages, each at once; those embedded in a page come together."""
    starts, parsed, main, counts, sizes = _drawn_pages(pages, 0.0, duration_s, rng)
    times = np.concatenate((starts, np.repeat(parsed, counts)))
    lengths = np.concatenate((main, sizes))
    order = np.argsort(times, kind="stable")
    times, lengths = times[order], lengths[order]
    inside = (times >= 0) & (times < duration_s)
    return Packets(duration_s, times[inside], lengths[inside])


def web_steps(pages: WebPages, data_rate: float, duration_s: float, rng: np.random.Generator) -> Steps:
    """A reader's pages at a rate: the main object takes its time, parsing, and all that is embedded."""
    starts, parsed, main, counts, sizes = _drawn_pages(pages, 1 / data_rate, duration_s, rng)
    owners = np.repeat(np.arange(len(counts)), counts)
    embedded = np.bincount(owners, sizes, minlength=len(counts))
    times = np.stack(
        (starts, starts + main / data_rate, parsed, parsed + embedded / data_rate), axis=1
    ).ravel()
    rates = np.tile([data_rate, 0.0], len(times) // 2)
    before = np.flatnonzero(times <= 0)
    at_zero = rates[before[-1]] if len(before) else 0.0
    inside = (times > 0) & (times < duration_s)
    return Steps(duration_s, np.append(0.0, times[inside]), np.append(at_zero, rates[inside]))


def _drawn_pages(
    pages: WebPages, seconds_per_byte: float, duration_s: float, rng: np.random.Generator
) -> tuple[Doubles, Doubles, Doubles, "np.ndarray[tuple[int], np.dtype[np.int64]]", Doubles]:
    """Of pages from long before 0 to the end: when main and embedded objects begin, and their sizes."""
    cycle = pages.reading_s + pages.parsing_s + pages.mean * seconds_per_byte
    begin = -WARM_UP_CYCLES * cycle
    parts = []
    while begin < duration_s:
        number = 16 + int(1.1 * (duration_s - begin) / cycle)
        main = pages.main.sample(number, rng)
        counts = pages.count.sample(number, rng)
        sizes = pages.embedded.sample(int(counts.sum()), rng)
        embedded = np.bincount(np.repeat(np.arange(number), counts), sizes, minlength=number)
        reading = rng.exponential(pages.reading_s, number)
        parsing = rng.exponential(pages.parsing_s, number)
        ends = begin + np.cumsum(reading + parsing + (main + embedded) * seconds_per_byte)
        starts = np.append(begin, ends[:-1]) + reading
        parts.append((starts, starts + main * seconds_per_byte + parsing, main, counts, sizes))
        begin = float(ends[-1])
    starts, parsed, main, counts, sizes = (np.concatenate(column) for column in zip(*parts, strict=True))
    return starts, parsed, main, counts, sizes


def superposed_steps(traces: Sequence[Steps]) -> Steps:
    """The sum of sources that send at the same rate or are silent; it has a step wherever one of them has."""
    data_rate = max(float(one.rates.max()) for one in traces)
    times = np.concatenate([one.times_s for one in traces])
    # How many send is counted, so that nothing is left of a rate when the last of them falls silent.
    changes = np.concatenate([np.diff((one.rates > 0).astype(np.int64), prepend=0) for one in traces])
    order = np.argsort(times, kind="stable")
    times, sending = times[order], np.cumsum(changes[order])
    last = np.append(np.diff(times) > 0, True)
    return Steps(traces[0].duration_s, times[last], sending[last] * data_rate)


def superposed_packets(traces: Sequence[Packets]) -> Packets:
    """All packets, in the order of their times."""
    times = np.concatenate([one.times_s for one in traces])
    order = np.argsort(times, kind="stable")
    return Packets(traces[0].duration_s, times[order], np.concatenate([one.lengths for one in traces])[order])
