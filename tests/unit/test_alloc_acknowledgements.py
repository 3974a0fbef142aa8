"""Acknowledgements come first, by hand."""

import math

import pytest

from fairslice.alloc import acknowledgements
from fairslice.alloc.acknowledged import AcknowledgedProblem
from fairslice.alloc.acknowledgements import InconsistentError, allocate_acknowledged
from fairslice.alloc.allocation import Bottleneck, BottleneckKind
from fairslice.alloc.certificate.acknowledgements import certify_acknowledged
from fairslice.alloc.explain.filling import explain, why
from fairslice.alloc.explain.sensitivity import raises
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.errors import EXIT_INFEASIBLE, InfeasibleError, InputError

ROOM = BottleneckKind.ACKNOWLEDGEMENTS


def line(down: float, up: float, share: float = 0.05, **floors: float) -> AcknowledgedProblem:
    """A download and an upload over the two directions of one cable."""
    flows = (
        ProblemFlow("download", {"down": 1.0}, floor=floors.get("download", 0.0)),
        ProblemFlow("upload", {"up": 1.0}, floor=floors.get("upload", 0.0)),
    )
    return AcknowledgedProblem(
        AllocationProblem({"down": down, "up": up}, flows), ({"up": share}, {"down": share})
    )


def test_a_download_and_an_upload_over_an_asymmetric_line() -> None:
    """d = 40 - u/20 and u = 4 - d/20, so d (1 - 1/400) = 40 - 4/20."""
    found = allocate_acknowledged(line(40, 4))
    download = (40 - 4 / 20) / (1 - 1 / 400)
    assert found.allocation.rates["download"] == pytest.approx(download, rel=1e-13)
    assert found.allocation.rates["upload"] == pytest.approx(4 - download / 20, rel=1e-13)
    assert found.set_aside == pytest.approx({"up": download / 20, "down": (4 - download / 20) / 20})


def test_without_an_upload_a_download_may_fill_half_of_the_way_back() -> None:
    """What nobody wants is not theirs either: half of 4 is enough for 40."""
    data = AllocationProblem({"down": 100.0, "up": 4.0}, (ProblemFlow("download", {"down": 1.0}),))
    found = allocate_acknowledged(AcknowledgedProblem(data, ({"up": 0.05},)))
    assert found.allocation.rates == {"download": 40.0}
    assert found.bottlenecks == {"download": Bottleneck(ROOM, "up")}
    assert str(found.bottlenecks["download"]) == "acknowledgements up"


@pytest.mark.parametrize("ratio", [20, 100, 1000])
def test_a_very_asymmetric_line_is_shared_half_and_half(ratio: int) -> None:
    found = allocate_acknowledged(line(40, 40 / ratio))
    assert found.allocation.rates["upload"] == pytest.approx(20 / ratio)
    assert found.allocation.rates["download"] == pytest.approx(20 / ratio / 0.05)
    assert found.set_aside["up"] == pytest.approx(20 / ratio)


def test_the_room_is_shared_max_min_fairly() -> None:
    """Three downloads on links of their own, one of them with a demand; acknowledgements meet on one link."""
    flows = (
        ProblemFlow("a", {"A": 1.0}, weight=2.0),
        ProblemFlow("b", {"B": 1.0}),
        ProblemFlow("c", {"C": 1.0}, cap=3.0),
    )
    data = AllocationProblem({"A": 100.0, "B": 100.0, "C": 100.0, "up": 4.0}, flows)
    found = allocate_acknowledged(AcknowledgedProblem(data, ({"up": 0.1},) * 3))
    # 2 of 4 are room for 20 altogether.
    assert found.allocation.rates == pytest.approx({"a": 34 / 3, "b": 17 / 3, "c": 3.0})


def test_acknowledgements_do_not_compete_at_par() -> None:
    """As a use of the flow, the link of 4 would stop the download at 4/1.05."""
    found = allocate_acknowledged(line(40, 4))
    assert found.bottlenecks == {
        "download": Bottleneck(BottleneckKind.LINK, "down"),
        "upload": Bottleneck(BottleneckKind.LINK, "up"),
    }


def test_a_guarantee_comes_before_others_acknowledgements() -> None:
    """3.5 of 4 are promised, so acknowledgements have 0.5: enough for a download of 10."""
    found = allocate_acknowledged(line(40, 4, upload=3.5))
    assert found.allocation.rates == pytest.approx({"download": 10.0, "upload": 3.5})
    assert found.bottlenecks["download"] == Bottleneck(ROOM, "up")
    assert certify_acknowledged(found.problem, found.allocation.rates, found.bottlenecks).ok


def test_guarantees_need_room_for_their_own_acknowledgements() -> None:
    with pytest.raises(InfeasibleError) as caught:
        allocate_acknowledged(line(40, 4, upload=3.5, download=12.0))
    error = caught.value
    assert (error.link, error.flows, error.of_acknowledgements) == ("up", ("download",), True)
    assert (error.floors, error.capacity) == pytest.approx((0.6, 0.5))
    assert error.exit_status == EXIT_INFEASIBLE
    assert "acknowledgements of those of download need 0.6 of link up, which has 0.5 for them" in str(error)


def test_guarantees_that_fit_to_the_brim_are_admitted() -> None:
    problem = line(40, 4, upload=3.5, download=10.0)
    found = allocate_acknowledged(problem)
    assert found.allocation.rates == pytest.approx({"download": 10.0, "upload": 3.5})
    with pytest.raises(InfeasibleError, match="link up carries 4"):
        allocate_acknowledged(line(40, 4, upload=4.1))


def fed_back(branches: int) -> AcknowledgedProblem:
    """A network where a little more for ``f`` takes ``branches``/2 times as much from it again.

    Its acknowledgements cross a link of each of the ``g``, which rise all the less; ``h`` takes what these
    leave on B, and is met by ``f`` on D. At 4 and 10 all agree.
    """
    own = {f"A{i}": 10.0 for i in range(branches)}
    data = AllocationProblem(
        {**own, "B": 8.0 * branches + 10.0, "D": 14.0},
        (
            ProblemFlow("f", {"D": 1.0}),
            ProblemFlow("h", {"B": 1.0, "D": 1.0}, weight=5.0),
            *(ProblemFlow(f"g{i}", {f"A{i}": 1.0, "B": 1.0}, weight=5.0) for i in range(branches)),
        ),
    )
    return AcknowledgedProblem(data, (dict.fromkeys(own, 0.5), *({} for _ in range(branches + 1))))


@pytest.mark.parametrize("branches", [1, 2, 3, 6, 20, 60])
def test_rates_agree_where_plain_steps_would_swing_for_ever(branches: int) -> None:
    found = allocate_acknowledged(fed_back(branches))
    assert found.allocation.rates["f"] == pytest.approx(4.0, rel=1e-9)
    assert found.allocation.rates["h"] == pytest.approx(10.0, rel=1e-9)
    assert certify_acknowledged(found.problem, found.allocation.rates, found.bottlenecks).ok


def test_rates_that_are_not_found_are_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without mixed steps and small ones they swing, and that is noticed."""
    monkeypatch.setattr(acknowledgements, "PLAIN_STEPS", math.inf)
    monkeypatch.setattr(acknowledgements, "PATIENCE", math.inf)
    monkeypatch.setattr(acknowledgements, "MOST_STEPS", 100)
    with pytest.raises(InconsistentError, match="after 100 steps these still differ"):
        allocate_acknowledged(fed_back(6))


def test_a_slices_limit_holds_with_acknowledgements() -> None:
    flows = (ProblemFlow("f", {"A": 1.0}, slice="s"), ProblemFlow("g", {"B": 1.0}, slice="s"))
    data = AllocationProblem({"A": 10.0, "B": 10.0}, flows, {"s": SliceShare(limit=12.0)})
    found = allocate_acknowledged(AcknowledgedProblem(data, ({"B": 0.5}, {"A": 0.5})))
    assert found.allocation.rates == pytest.approx({"f": 6.0, "g": 6.0})
    assert {str(why) for why in found.bottlenecks.values()} == {"limit s"}


def test_an_unreachable_way_back_leaves_nothing() -> None:
    data = AllocationProblem({"A": 10.0, "B": 0.0}, (ProblemFlow("f", {"A": 1.0}),))
    found = allocate_acknowledged(AcknowledgedProblem(data, ({"B": 0.05},)))
    assert found.allocation.rates == {"f": 0.0}
    assert certify_acknowledged(found.problem, {"f": 0.0}, found.bottlenecks).ok


def test_no_flows_at_all() -> None:
    empty = AcknowledgedProblem(AllocationProblem({"A": 1.0}, ()), ())
    assert allocate_acknowledged(empty).allocation.rates == {}
    assert certify_acknowledged(empty, {}).ok


def test_each_flow_has_one_entry_of_returns() -> None:
    with pytest.raises(InputError, match="returns: found 0, expected 1, one for each flow"):
        AcknowledgedProblem(AllocationProblem({"A": 1.0}, (ProblemFlow("f", {"A": 1.0}),)), ()).check()


# The checker ------------------------------------------------------------------------------------------


def test_the_checker_wants_acknowledgements_in_their_room() -> None:
    problem = line(40, 4, share=0.5)
    found = certify_acknowledged(problem, {"download": 4.2, "upload": 1.9})
    assert [str(one) for one in found.violations] == ['acknowledgements on "up" take 2.1 of 2.0']


def test_the_checker_wants_data_and_acknowledgements_to_fit_together() -> None:
    rates = {"download": 39.9, "upload": 2.1}
    found = certify_acknowledged(line(40, 4), rates)
    assert any(one.link == "up" for one in found.violations)


def test_the_checker_wants_what_is_set_aside_to_be_needed() -> None:
    """Rates that fit, with more set aside than these acknowledgements take."""
    found = certify_acknowledged(line(40, 4), {"download": 39.9, "upload": 1.9})
    assert [one.flow for one in found.violations if one.flow] == ["download", "upload"]


def test_the_checker_wants_a_true_reason() -> None:
    found = allocate_acknowledged(line(40, 4))
    wrong = {**found.bottlenecks, "download": Bottleneck(ROOM, "up")}
    (violation,) = certify_acknowledged(found.problem, found.allocation.rates, wrong).violations
    assert violation.flow == "download"


def test_the_checker_refuses_what_is_no_problem_and_no_rate() -> None:
    data = AllocationProblem({"A": 1.0}, (ProblemFlow("f", {"A": 1.0}),))
    for returned in ({"B": 0.05}, {"A": 0.0}, {"A": math.inf}, {"A": math.nan}):
        unsound = AcknowledgedProblem(data, (returned,))
        for ask in (allocate_acknowledged, lambda problem: certify_acknowledged(problem, {"f": 1.0})):
            with pytest.raises(InputError, match="expected a finite number above 0 and a known link"):
                ask(unsound)
    for rates in ({}, {"f": math.nan}, {"f": -1.0}):
        assert not certify_acknowledged(AcknowledgedProblem(data, ({"A": 0.05},)), rates).ok


# Explained --------------------------------------------------------------------------------------------


def test_the_filling_says_what_is_set_aside() -> None:
    filling = explain(line(40, 4))
    assert filling.set_aside == pytest.approx({"up": 1.99499, "down": 0.10025}, abs=1e-5)
    upload = why(filling, "upload")
    assert [upload.capacity, upload.set_aside] == pytest.approx([4.0, 1.99499], abs=1e-5)
    assert {holder.flow: holder.load for holder in upload.holders} == pytest.approx(
        {"upload": 2.00501}, abs=1e-5
    )


def test_a_flow_that_its_acknowledgements_stop() -> None:
    filling = explain(line(40, 0.04))
    download = why(filling, "download")
    assert (download.reason, download.capacity) == (Bottleneck(ROOM, "up"), 0.02)
    assert {holder.flow: holder.load for holder in download.holders} == pytest.approx({"download": 0.02})


@pytest.mark.parametrize(("down", "up"), [(40.0, 4.0), (40.0, 0.04), (10.0, 10.0)])
@pytest.mark.parametrize("flow", ["download", "upload"])
def test_slopes_heed_acknowledgements(down: float, up: float, flow: str) -> None:
    """Each slope is that of the rates of a line with a little more."""
    before = allocate_acknowledged(line(down, up)).allocation.rates[flow]
    for one in raises(line(down, up), flow):
        step = min(one.reach, up) / 8
        more = {"down": down, "up": up, **{one.place.name: {"down": down, "up": up}[one.place.name] + step}}
        after = allocate_acknowledged(line(more["down"], more["up"])).allocation.rates[flow]
        assert after - before == pytest.approx(one.slope * step, rel=1e-6, abs=1e-9)


def test_more_for_one_direction_costs_the_other() -> None:
    slopes = {one.place.name: one.slope for one in raises(line(40, 4), "upload")}
    assert slopes == pytest.approx({"up": 1 / (1 - 1 / 400), "down": -0.05 / (1 - 1 / 400)})
