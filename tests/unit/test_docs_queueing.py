"""docs/concepts/queueing.md: its parts, and the numbers that it works out in its text."""

import math
import re
from pathlib import Path

import pytest

from fairslice.cli.plan_tables import waits
from fairslice.models.queues import erlang_b, erlang_c, lindley, m_g_1, m_m_m
from fairslice.policy import load_policy
from fairslice.slicing import allocate_slices
from fairslice.topology import load_network
from fairslice.units import FULL_FRAME_BYTES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "concepts" / "queueing.md").read_text(encoding="utf-8")
WORDS = " ".join(TEXT.split())


def test_it_has_its_parts() -> None:
    assert re.search(r"^!\[.+\]\(\.\./img/[\w-]+\.svg\)$", TEXT, re.MULTILINE)
    for heading in ("The idea", "Where it is in fairslice", "What surprised", "Questions", "Sources"):
        assert f"\n## {heading}\n" in TEXT
    assert TEXT.count("<details><summary>") == TEXT.count("</details>") == 3


def test_the_five_packets() -> None:
    rows = re.findall(r"^\| ([\d.]+) \| [\d.]+ \| [\d.]+ \| ([\d.]+) \| [\d.]+ \|$", TEXT, re.MULTILINE)
    arrivals = [float(arrival) for arrival, _ in rows]
    assert len(rows) == 5
    assert [float(wait) for _, wait in rows] == pytest.approx(lindley(arrivals, [1.0] * 5).tolist())


def test_one_server() -> None:
    queue = m_m_m(800, 1000)
    assert queue.mean_waiting == pytest.approx(3.2)
    assert "800 · 0.004 = 3.2 wait" in WORDS
    assert queue.delay is not None
    assert queue.delay.tail(0.010) == pytest.approx(math.exp(-2))
    assert f"t = 10 ms: exp(−2) = {math.exp(-2):.3f}" in WORDS
    assert queue.wait is not None
    half_s, most_s = queue.wait.percentile(0.5), queue.wait.percentile(0.95)
    assert half_s is not None
    assert most_s is not None
    assert f"no longer than {1e3 * half_s:.2f} ms" in WORDS
    assert f"95 in a hundred no longer than {1e3 * most_s:.1f}" in WORDS


def test_the_wait_of_any_service_is_what_its_reason_says() -> None:
    """W = ρ · (mean² + deviation²)/(2 · mean) + λ · W · mean."""
    for deviation in (0, 0.001, 0.002):
        wait = m_g_1(800, 0.001, deviation).mean_wait_s
        assert wait is not None
        left = (0.001**2 + deviation**2) / (2 * 0.001)
        assert float(wait) == pytest.approx(0.8 * left + 800 * float(wait) * 0.001)


def test_lines() -> None:
    lost, waits_there = float(erlang_b(2, 3)), float(erlang_c(2, 3))
    assert f"0.4/(3 + 2 · 0.4) = {lost:.2f} is lost" in WORDS
    assert f"(3 − 2 · {1 - lost:.2f}) = {waits_there:.2f} does" in WORDS
    ten = m_m_m(8000, 1000, 10)
    assert f"a part of C = {float(erlang_c(8, 10)):.2f} waits" in WORDS
    assert ten.mean_wait_s is not None
    assert float(ten.mean_wait_s) == pytest.approx(float(erlang_c(8, 10)) * 0.0005)
    assert f"{1e3 * float(ten.mean_wait_s):.1f} ms on the mean" in WORDS


def test_the_plan_that_is_worked_out() -> None:
    policy = load_policy(ROOT / "policies" / "abilene-research.yaml")
    network = load_network(str(ROOT / "topologies" / "abilene.py"))
    (one,) = waits(allocate_slices(policy, network))
    queue = one.queue
    frame_ms = 1e3 * 8 * FULL_FRAME_BYTES / queue.service_bps
    assert (queue.number, queue.link, queue.service_bps, queue.load) == (9, "s9->s10", 12e6, 0.25)
    assert one.mean_s is not None
    said = f"W = {queue.load:g} · {frame_ms:.3f}/(2 · {1 - queue.load:g}) = {1e3 * one.mean_s:.3f} ms"
    assert said in WORDS
