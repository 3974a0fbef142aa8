"""Flows are found by what is shown of them, and by nothing that is not theirs alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairslice.errors import InputError
from fairslice.naming import Named, ends, find_flow, find_flows, flow_id, numbers

FLOWS = (
    Named(1, "gold:h1->h4", "gold"),
    Named(2, "gold:h1->h5", "gold"),
    Named(3, "silver:h2->h5", "silver"),
    Named(4, "silver:h2->h5 udp dst_port 5004", "silver"),
    Named(5, "bronze-2:h10->h4 tcp dst_port 80", "bronze-2"),
)

hosts = st.sampled_from(["h1", "h2", "h10", "web-1", "10.0.0.1", "a_b", "1"])
slices = st.sampled_from(["gold", "silver", "bronze-2"])
matches = st.sampled_from(["", "udp", "tcp dst_port 80", "udp dst_port 5004", "udp src_port 5004"])


@st.composite
def policies(draw: st.DrawFn) -> tuple[Named, ...]:
    """Flows as a policy has them: no id twice, numbered from 1."""
    parts = draw(st.lists(st.tuples(slices, hosts, hosts, matches), min_size=1, max_size=8, unique=True))
    return tuple(Named(n, flow_id(*each), each[0]) for n, each in enumerate(parts, start=1))


@given(policies())
def test_every_flow_is_found_by_all_that_is_shown_of_it(flows: tuple[Named, ...]) -> None:
    for flow in flows:
        shown = flow.id.removeprefix(f"{flow.slice}:")
        arrows = (flow.id.replace("->", "→"), flow.id.replace("->", " -> "), flow.id.replace("->", " → "))
        for name in (str(flow.number), f"#{flow.number}", flow.id, f"{flow.slice} {shown}", *arrows):
            assert find_flow(name, flows) == flow
            assert flow in find_flows(name, flows)


@given(policies(), st.text(alphabet="h12->→: gold", max_size=8))
def test_what_is_found_has_what_was_asked_for_and_no_other_has_all_of_it(
    flows: tuple[Named, ...], wanted: str
) -> None:
    try:
        found = find_flow(wanted, flows)
    except InputError:
        return
    asked = re.sub(r"\s*(->|→)\s*", "->", " ".join(wanted.split()))
    if re.fullmatch(r"#?[0-9]+", asked) and int(asked.lstrip("#")) <= len(flows):
        assert found.number == int(asked.lstrip("#"))
    else:
        assert re.sub(r"[\s:]", "", asked.lower()) in re.sub(r"[\s:]", "", found.id.lower())
        assert [flow for flow in flows if flow.id == asked] in ([], [found])


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        ("h1->h4", 1),
        ("->h4 tcp", 5),
        ("h1->h5", 2),
        ("5004", 4),
        ("udp", 4),
        ("h10", 5),
        ("bronze-2", 5),
        ("bro", 5),
        ("BRONZE", 5),
        ("dst_port 80", 5),
        ("silver:h2->h5", 3),
        ("h2->h5 udp dst_port 5004", 4),
        ("h2->h5", 3),
    ],
)
def test_any_part_that_only_one_has_will_do(wanted: str, number: int) -> None:
    assert find_flow(wanted, FLOWS).number == number


@pytest.mark.parametrize(
    ("wanted", "candidates"),
    [
        ("gold", {1, 2}),
        ("h1", {1, 2}),
        ("h4", {1, 5}),
        ("dst_port", {4, 5}),
        ("h2", {3, 4}),
    ],
)
def test_what_several_have_is_refused_with_all_of_them(wanted: str, candidates: set[int]) -> None:
    with pytest.raises(InputError) as refused:
        find_flow(wanted, FLOWS)
    text = str(refused.value)
    assert text.startswith(f'FLOW: "{wanted}" may be each of ')
    assert text.endswith("; expected the number or the id of one")
    assert {flow.number for flow in FLOWS if f"{flow.number} ({flow.id})" in text} == candidates


@pytest.mark.parametrize(
    ("wanted", "nearest"), [("h2->h6", 3), ("sliver:h2->h5", 3), ("gold:h1->h6", 1), ("0", None), ("6", None)]
)
def test_what_no_flow_has_is_refused_with_the_nearest(wanted: str, nearest: int | None) -> None:
    with pytest.raises(InputError) as refused:
        find_flow(wanted, FLOWS, "--flow")
    text = str(refused.value)
    assert text.startswith(f'--flow: there is no flow "{wanted}"; the nearest are ')
    assert text.endswith("; expected a number from 1 to 5, an id, or a part that only one flow has")
    if nearest is not None:
        assert FLOWS[nearest - 1].id in text


def test_a_number_is_a_number_and_no_part_of_a_name() -> None:
    """The 4 of h4 is not meant by 4, nor by 10 the host h10."""
    assert find_flow("4", FLOWS).id.startswith("silver")
    with pytest.raises(InputError, match='there is no flow "10"'):
        find_flow("10", FLOWS)


def test_an_id_comes_before_a_number() -> None:
    """Flows of a problem file may be called by numbers."""
    flows = (Named(1, "2"), Named(2, "1"), Named(3, "x"))
    assert [find_flow(name, flows).number for name in ("1", "2", "3", "x")] == [2, 1, 3, 3]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("gold", [1, 2]),
        ("silver:h2->h5", [3]),
        ("gold:h1→h5", [2]),
        ("2", [2]),
        ("h10", [5]),
    ],
)
def test_where_several_may_be_meant_a_slice_means_all_of_its_flows(wanted: str, expected: list[int]) -> None:
    assert [flow.number for flow in find_flows(wanted, FLOWS)] == expected


def test_ends_of_a_slice_mean_all_matches_where_none_is_without() -> None:
    flows = (Named(1, "a:h1->h2 udp", "a"), Named(2, "a:h1->h2 tcp", "a"), Named(3, "b:h1->h2", "b"))
    assert [flow.number for flow in find_flows("a:h1->h2", flows)] == [1, 2]
    with pytest.raises(InputError, match="may be each of"):
        find_flows("a:h1", flows)


def test_many_candidates_are_counted_and_a_single_flow_is_named() -> None:
    many = tuple(Named(n, f"a:h{n}->x", "a") for n in range(1, 31))
    with pytest.raises(InputError, match=r"10 \(a:h10->x\) and 20 more; expected"):
        find_flow("->x", many)
    with pytest.raises(InputError, match=r'there is no flow "b"; there is only 1 \(a:h1->x\)$'):
        find_flow("b", many[:1])
    with pytest.raises(InputError, match="there are none"):
        find_flow("b", ())


@given(st.lists(st.integers(1, 400), min_size=1))
def test_numbers_name_each_flow_once(given_numbers: list[int]) -> None:
    text = numbers(given_numbers)
    ordered = sorted(set(given_numbers))
    assert text.split()[0] == ("flow" if len(ordered) == 1 else "flows")
    told: list[int] = []
    for first, last in re.findall(r"(\d+)(?: to (\d+))?(?! more)\b", re.sub(r"and \d+ more", "", text)):
        told += range(int(first), int(last or first) + 1)
    more = re.search(r"and (\d+) more", text)
    assert told == ordered[: len(told)]
    assert len(told) + (int(more[1]) if more else 0) == len(ordered)
    assert len(text) < 120


def test_ends_are_written_in_one_way() -> None:
    assert ends("h1", "h4") == "h1->h4"
    assert flow_id("gold", "h1", "h4", "udp") == "gold:h1->h4 udp"
