"""Numbers that the pages on rate limiting and on congestion control work out in their text."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from click.testing import CliRunner

from fairslice.cli import cli
from fairslice.models.buckets import longest_burst, packets_at_peak, policed_share
from fairslice.models.congestion import AIMD, Rule, jain_after, limit_cycle, run, simple_cycle
from fairslice.slicing.state.enforced import AUTO_BURST_S

CONCEPTS = Path(__file__).parents[2] / "docs" / "concepts"
F = Fraction
GOAL = F(101, 10)


def words_of(page: str) -> str:
    return " ".join((CONCEPTS / page).read_text(encoding="utf-8").split())


def test_the_answers_on_rate_limiting(tmp_path: Path) -> None:
    page = words_of("policing-and-shaping.md")
    fluid = longest_burst(12, "1.2", 144)
    assert fluid is not None
    assert f"144/(12 − 1.2) = {float(fluid.duration):.1f} ms" in page
    assert f"</summary> {packets_at_peak(12, '1.2', 144, 12)}. As a fluid" in page
    found = [float(144 + F("1.2") * (n - 1) - 12 * (n - 1)) for n in (13, 14)]
    assert f"{found[0]:g} kbit for the thirteenth, {found[1]:g} for the fourteenth" in page
    done = CliRunner().invoke(
        cli, ("demo", "token-bucket", "--plot", str(tmp_path / "d.svg")), env={"COLUMNS": "160"}
    )
    said = " ".join(done.output.split())
    dropped = re.search(r"Of (\d+) packets (\d+) were dropped", said)
    wait = re.search(r"the longest wait was ([\d.]+) ms", said)
    smallest = re.search(r"dropped if b = ([\d.]+) kbit", said)
    assert dropped is not None
    assert wait is not None
    assert smallest is not None
    assert f"({smallest[1]} − 144)/1.2 = {wait[1]} ms" in page
    assert f"drops {dropped[2]} of its {dropped[1]} packets" in page


def test_auto_is_above_the_knee() -> None:
    assert policed_share(AUTO_BURST_S) == 1


def test_the_table_of_aimd_is_the_run() -> None:
    page = words_of("congestion-control.md")
    for step, state in enumerate(run([1, 9], AIMD, GOAL, 6).states):
        x, y = state.values
        told = "yes" if x + y > GOAL else "no"
        assert f"| {step} | {x} | {y} | {x + y} | {told} |" in page
        index = f"{state.jain:.3f}".strip("0")
        assert re.search(
            rf"\| {step} \|[^=|]*\|[^=|]*\|[^=|]*\|[^=|]*\| (\d+/\d+ = )?{re.escape(index)} \|", page
        )


@pytest.mark.parametrize(
    ("decreases", "total", "told"),
    [
        (2, 12, "144/(144 + 64/16) = .973"),
        (4, 6, "36/(36 + 64/256) = .993"),
        (3, 10, "100/(100 + 64/64) = .9901"),
    ],
)
def test_the_closed_form_of_the_page(decreases: int, total: int, told: str) -> None:
    assert told in words_of("congestion-control.md")
    index = jain_after([1, 9], decreases, total, "1/2")
    assert f"{float(index):.{len(told.rpartition('.')[2])}f}".endswith(told.rpartition(".")[2])


def test_the_sawtooth_of_three_users() -> None:
    found = simple_cycle(3, AIMD, GOAL)
    assert found is not None
    assert (found.increases, int(found.low), int(found.peak)) == (2, 6, 12)
    cycle = limit_cycle(run([1, 9, 3], AIMD, GOAL, 60))
    assert cycle is not None
    assert sorted(state.floats for state in cycle.states) == [[2.0] * 3, [3.0] * 3, [4.0] * 3]


@pytest.mark.parametrize(("factor", "cost", "steps"), [("1/2", 11, 12), ("7/10", 6, 16)])
def test_what_a_decrease_costs(factor: str, cost: int, steps: int) -> None:
    made = run([1, 9], Rule(F(1), F(1), F(0), F(factor)), GOAL, 400)
    cycle = limit_cycle(made)
    assert cycle is not None
    mean = sum(state.efficiency(GOAL) for state in cycle.states) / cycle.length
    assert round(100 * (1 - mean)) == cost
    assert made.steps_to_jain("0.99") == steps
