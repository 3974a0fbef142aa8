"""M/M/1: packets come at random to a link that is not full, and wait all the same."""

import math
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from fairslice.models.queues import SimulatedQueue, SteadyState, exponential_service, m_m_m
from fairslice.models.queues.simulation import Customers, draw_customers, measured

if TYPE_CHECKING:
    from rich.text import Text

    from fairslice.cli.demos.stage import Stage

SENT = 1000
"""Packets that the link sends in a second."""
LOADS = (Fraction(1, 2), Fraction(4, 5), Fraction(19, 20))
PACKETS = 2_000_000
FRAMES = 100
_FROM_S = 10.0
"""The queue is empty at first, and is looked at from then on."""
_STEP_S = 0.003
_SECONDS = 5.0
_SHOWN = 48
"""Packets that are drawn; the rest is counted."""


def tell(stage: "Stage") -> None:
    """One link at three loads (Kleinrock 1975, section 3.2)."""
    stage.say(
        f"A link sends {SENT} packets a second, so a packet of mean length takes 1 ms. Packets come at"
        " random, and some are longer than others. The link has time for all of them. Do they wait?"
    )
    found: list[tuple[Fraction, SteadyState, SimulatedQueue]] = []
    for number, load in enumerate(LOADS):
        coming = load * SENT
        stage.say(f"{int(coming)} packets a second come, a load of {float(load):.0%}:")
        rng = np.random.default_rng([stage.seed, number])
        drawn = draw_customers(coming, exponential_service(SENT), 1, None, PACKETS, rng)
        stage.play(_frames(drawn), _SECONDS)
        found.append((load, m_m_m(coming, SENT), measured(drawn, 1)))
    stage.say(
        "Packets wait though the link is never full: they come in bunches, and the time in which it had"
        f" nothing to send is lost. {PACKETS:,} packets at each load, and the formulas:"
    )
    stage.numbers(
        "Delay: wait and sending", ("load", "what came out", "the formula says", "which is"), _rows(found)
    )
    stage.say(
        "From a load of 50% to 95% is not twice the delay, but ten times. What the link could carry in"
        " addition, all others pay for. docs/concepts/queueing.md tells why."
    )
    stage.picture(lambda: _picture(found))


def _frames(drawn: Customers) -> Iterator["Text"]:
    """The queue every few milliseconds: who is sent, who waits, and the mean so far."""
    from rich.text import Text

    leave_s = drawn.arrival_s + drawn.wait_s + drawn.service_s
    inside: list[int] = []
    for step in range(1, FRAMES + 1):
        now_s = _FROM_S + step * _STEP_S
        here = int(np.searchsorted(drawn.arrival_s, now_s) - np.searchsorted(leave_s, now_s))
        inside.append(here)
        waiting = max(0, here - 1)
        queue = f"+{waiting - _SHOWN} " * (waiting > _SHOWN) + "●" * min(waiting, _SHOWN)
        link = "[▶]" if here else "[ ]"
        yield Text(
            f"{queue:>{_SHOWN + 6}} {link} ──▶\n"
            f"at {now_s:.3f} s: {here} here, {sum(inside) / step:.1f} on the mean, {max(inside)} at most",
            no_wrap=True,
        )


def _rows(found: list[tuple[Fraction, SteadyState, SimulatedQueue]]) -> Iterator[tuple[str, str, str, str]]:
    for load, exact, simulated in found:
        mean, late = simulated.mean_delay_s, simulated.delay_percentiles_s[95]
        assert exact.mean_delay_s is not None
        assert exact.delay is not None
        known = exact.delay.percentile(Fraction(95, 100)) or math.nan
        yield (
            f"{float(load):.0%}, mean",
            f"{1e3 * mean.mean:.2f} ± {1e3 * mean.half_width:.2f} ms",
            f"{float(1000 * exact.mean_delay_s):.2f} ms",
            "1/(μ − λ)",
        )
        yield (
            "95 % are below",
            f"{1e3 * late.mean:.2f} ± {1e3 * late.half_width:.2f} ms",
            f"{1e3 * known:.2f} ms",
            "ln 20/(μ − λ)",
        )


def _picture(found: list[tuple[Fraction, SteadyState, SimulatedQueue]]) -> str:
    from fairslice.models.queues.problem import QueueProblem
    from fairslice.report.models.queue_picture import draw

    problem = QueueProblem.model_validate({"arrival_rate": LOADS[1] * SENT, "service_rate": SENT})
    points = [(float(load), one.mean_delay_s.mean, one.mean_number.mean) for load, _, one in found]
    return draw(problem, problem.answer(), points)
