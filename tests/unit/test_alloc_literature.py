"""Worked examples of the literature, each with its source; where a source gives no numbers, they are ours."""

from collections.abc import Mapping

import pytest

from fairslice.alloc.certificate.certify import certify
from fairslice.alloc.problem import AllocationProblem, ProblemFlow, SliceShare
from fairslice.alloc.waterfilling import allocate


def check(problem: AllocationProblem, expected: Mapping[str, float], **links: str) -> None:
    """The rates are the expected ones, the certificate holds, and ``links`` are flows' bottlenecks."""
    allocation = allocate(problem)
    assert dict(allocation.rates) == pytest.approx(dict(expected), rel=1e-12, abs=0)
    assert certify(problem, allocation.rates, allocation.bottlenecks).violations == ()
    assert {flow: allocation.bottlenecks[flow].name for flow in links} == links


def over(*links: str) -> dict[str, float]:
    return dict.fromkeys(links, 1.0)


def one_link(capacity: float, *flows: ProblemFlow, **slices: SliceShare) -> AllocationProblem:
    return AllocationProblem({"L": capacity}, flows, slices)


def test_bertsekas_gallager_tandem() -> None:
    """Data Networks, 2nd ed. (1992), §6.5.2, figure 6.10.

    One session over three links of capacity 1, 1 and 2, and one more on each: all get 1/2, but that on
    the last link 3/2, since to hold it back would help nobody.
    """
    problem = AllocationProblem(
        {"first": 1, "second": 1, "third": 2},
        (
            ProblemFlow("0", over("first", "second", "third")),
            ProblemFlow("1", over("first")),
            ProblemFlow("2", over("second")),
            ProblemFlow("3", over("third")),
        ),
    )
    check(
        problem,
        {"0": 1 / 2, "1": 1 / 2, "2": 1 / 2, "3": 3 / 2},
        **{"0": "first", "2": "second", "3": "third"},
    )


def test_bertsekas_gallager_five_sessions() -> None:
    """Data Networks, 2nd ed. (1992), §6.5.2, figures 6.12 and 6.13: the algorithm step by step.

    Links of capacity 1. First link (2,3) saturates and sessions 2, 3 and 5 have 1/3; then (3,5), session 1
    has 2/3; then (4,5), session 4 has 1. The bottlenecks of sessions 1 to 5 are (3,5), (2,3), (2,3), (4,5),
    (2,3), and (1,3) is nobody's.
    """
    problem = AllocationProblem(
        dict.fromkeys(["(1,3)", "(2,3)", "(3,5)", "(4,5)"], 1),
        (
            ProblemFlow("1", over("(1,3)", "(3,5)")),
            ProblemFlow("2", over("(2,3)")),
            ProblemFlow("3", over("(2,3)", "(3,5)")),
            ProblemFlow("4", over("(4,5)")),
            ProblemFlow("5", over("(2,3)")),
        ),
    )
    expected = {"1": 2 / 3, "2": 1 / 3, "3": 1 / 3, "4": 1, "5": 1 / 3}
    check(problem, expected, **{"1": "(3,5)", "2": "(2,3)", "3": "(2,3)", "4": "(4,5)", "5": "(2,3)"})


def test_keshav_unweighted() -> None:
    """S. Keshav, An Engineering Approach to Computer Networking (1997), p. 215: 2, 2.6, 4 and 5 of 10."""
    flows = [ProblemFlow(str(i), over("L"), cap=d) for i, d in enumerate([2, 2.6, 4, 5], 1)]
    check(one_link(10, *flows), {"1": 2, "2": 2.6, "3": 2.7, "4": 2.7})


def test_keshav_weighted() -> None:
    """The same, pp. 216-217: demands 4, 2, 10 and 4 of 16 with weights 2.5, 4, 0.5 and 1.

    In units of 1/2 the weights are 5, 8, 1 and 2 and sum to 16. Source 1 wants less than its 5 and
    source 2 less than its 8; of the 7 left over, source 3 has 1/3 and source 4 has 2/3, of which it
    wants only a part; source 3 takes the rest.
    """
    demands, weights = [4, 2, 10, 4], [2.5, 4, 0.5, 1]
    flows = [
        ProblemFlow(str(i), over("L"), weight=w, cap=d)
        for i, (d, w) in enumerate(zip(demands, weights, strict=True), 1)
    ]
    check(one_link(16, *flows), {"1": 4, "2": 2, "3": 6, "4": 4})


def test_jain_atm() -> None:
    """R. Jain, "Congestion control and traffic management in ATM networks", Computer Networks 28 (1996).

    Three switches' links of 150 Mbit/s. S1, S2 and S3 share the first, S3 and S4 the second, S4 is alone
    on the third. Each of the first three has 50; what S3 can't use of the second link is S4's: 100.
    """
    problem = AllocationProblem(
        dict.fromkeys(["link 1", "link 2", "link 3"], 150e6),
        (
            ProblemFlow("S1", over("link 1")),
            ProblemFlow("S2", over("link 1")),
            ProblemFlow("S3", over("link 1", "link 2")),
            ProblemFlow("S4", over("link 2", "link 3")),
        ),
    )
    check(problem, {"S1": 50e6, "S2": 50e6, "S3": 50e6, "S4": 100e6}, S3="link 1", S4="link 2")


def test_le_boudec_two_sources() -> None:
    """J.-Y. Le Boudec, "Rate adaptation, congestion control and fairness: a tutorial", §1.1, figure 1.1.

    S1 goes over C1 = 100, C3 = 110, C4 = 100 kbit/s and S2 over C2 = 1000, C3, C5 = 10: they could have
    100 and 10, which congestion collapse denies them.
    """
    problem = AllocationProblem(
        {"C1": 100, "C2": 1000, "C3": 110, "C4": 100, "C5": 10},
        (ProblemFlow("S1", over("C1", "C3", "C4")), ProblemFlow("S2", over("C2", "C3", "C5"))),
    )
    check(problem, {"S1": 100, "S2": 10}, S1="C1", S2="C5")


@pytest.mark.parametrize(("long", "short"), [(1, [1, 1]), (2, [3, 1, 5]), (1, [2, 2, 2, 7]), (4, [1])])
def test_le_boudec_parking_lot(long: int, short: list[int]) -> None:
    """The same, §1.2: I links of capacity c, n_0 flows over all of them and n_i over link i alone.

    x_0 = min c/(n_0 + n_i) and x_i = (c - n_0 x_0)/n_i.
    """
    c = 60.0
    links = [f"link {i}" for i in range(len(short))]
    flows = [ProblemFlow(f"long {k}", over(*links)) for k in range(long)]
    flows += [
        ProblemFlow(f"{link} {k}", over(link)) for link, n in zip(links, short, strict=True) for k in range(n)
    ]
    x0 = min(c / (long + n) for n in short)
    expected = {f"long {k}": x0 for k in range(long)}
    for link, n in zip(links, short, strict=True):
        expected |= {f"{link} {k}": (c - long * x0) / n for k in range(n)}
    check(AllocationProblem(dict.fromkeys(links, c), tuple(flows)), expected)


@pytest.mark.parametrize("hops", [1, 2, 3, 10])
def test_massoulie_roberts_linear_network(hops: int) -> None:
    """L. Massoulié and J. Roberts, "Bandwidth sharing: objectives and algorithms", ToN 10(3), 2002.

    One flow over L unit links and one on each: max-min fairness gives 1/2 to all, whatever L is (where
    proportional fairness gives the long one 1/(L+1)).
    """
    links = [f"{i}" for i in range(hops)]
    flows = (ProblemFlow("long", over(*links)), *(ProblemFlow(link, over(link)) for link in links))
    check(AllocationProblem(dict.fromkeys(links, 1), flows), dict.fromkeys(["long", *links], 1 / 2))


def test_tanenbaum_four_flows() -> None:
    """A. Tanenbaum and D. Wetherall, Computer Networks, 5th ed. (2011), §6.3.1, figure 6-20.

    B, C and D share the link R4-R5 and have 1/3 each; A shares R2-R3 with B and has the other 2/3.
    """
    problem = AllocationProblem(
        {"R4-R5": 1, "R2-R3": 1},
        (
            ProblemFlow("A", over("R2-R3")),
            ProblemFlow("B", over("R2-R3", "R4-R5")),
            ProblemFlow("C", over("R4-R5")),
            ProblemFlow("D", over("R4-R5")),
        ),
    )
    check(problem, {"A": 2 / 3, "B": 1 / 3, "C": 1 / 3, "D": 1 / 3}, A="R2-R3", B="R4-R5")


def test_parekh_gallager_gps() -> None:
    """A. Parekh and R. Gallager, "A generalized processor sharing approach", ToN 1(3), 1993, §II.

    A backlogged session is served at no less than its share of the link, and all of them in proportion
    to their phi. Ours: phi = 4, 2, 1, 1 on a link of 8; when the first wants 1 only, the others have 7
    by 2:1:1.
    """
    sessions = [ProblemFlow(str(i), over("L"), weight=phi) for i, phi in enumerate([4, 2, 1, 1])]
    check(one_link(8, *sessions), {"0": 4, "1": 2, "2": 1, "3": 1})
    sessions[0] = ProblemFlow("0", over("L"), weight=4, cap=1)
    check(one_link(8, *sessions), {"0": 1, "1": 7 / 2, "2": 7 / 4, "3": 7 / 4})


@pytest.mark.parametrize(
    ("demand", "hierarchical", "flat"),
    [
        (float("inf"), {"A1": 0.75, "A2": 0.05, "B": 0.2}, {"A1": 0.75, "A2": 0.05, "B": 0.2}),
        (0.0, {"A1": 0, "A2": 0.8, "B": 0.2}, {"A1": 0, "A2": 0.2, "B": 0.8}),
    ],
)
def test_bennett_zhang_hierarchical_gps(
    demand: float, hierarchical: dict[str, float], flat: dict[str, float]
) -> None:
    """J. Bennett and H. Zhang, "Hierarchical packet fair queueing algorithms", SIGCOMM 1996, §2.2.

    A has 0.8 of the link, 0.75 for A1 and 0.05 for A2; B has 0.2. While A1 is idle H-GPS gives all of
    A's share to A2; GPS without the hierarchy would let A2 and B share by 0.05 : 0.2.
    """
    problem = AllocationProblem(
        {"L": 1},
        (
            ProblemFlow("A1", over("L"), weight=0.75, cap=demand, slice="A"),
            ProblemFlow("A2", over("L"), weight=0.05, slice="A"),
            ProblemFlow("B", over("L"), slice="B"),
        ),
        {"A": SliceShare(0.8), "B": SliceShare(0.2)},
    )
    check(problem, hierarchical)
    weights = {"A1": 0.75, "A2": 0.05, "B": 0.2}
    alone = tuple(ProblemFlow(f.id, f.uses, weights[f.id], f.cap) for f in problem.flows)
    check(AllocationProblem({"L": 1}, alone), flat)


def test_hou_generalized_max_min() -> None:
    """Y. T. Hou, S. Panwar and H. Tzeng, "Generalized max-min rate allocation", JCN 2(3), 2000.

    Max-min with a minimum and a peak rate for each session: rates rise together from zero and a session
    holds the larger of its level and its minimum (as "maximum of MCR or max-min share", ATM Forum TM
    4.0). Ours: on a link of 1, (0.40, 1.00), (0.10, 0.25) and (0.10, 0.50) have 0.40, 0.25 and 0.35.
    """
    sessions = [
        ProblemFlow("s1", over("L"), floor=0.40, cap=1.00),
        ProblemFlow("s2", over("L"), floor=0.10, cap=0.25),
        ProblemFlow("s3", over("L"), floor=0.10, cap=0.50),
    ]
    check(one_link(1, *sessions), {"s1": 0.40, "s2": 0.25, "s3": 0.35})


def test_faircloud_tenants_and_flows() -> None:
    """L. Popa et al., "FairCloud: sharing the network in cloud computing", SIGCOMM 2012.

    With shares per flow a tenant gets more of a link by opening more flows; with shares per tenant on
    each link (PS-L) it does not. Ours: four flows against one, tenants of equal weight.
    """
    flows = (
        *(ProblemFlow(f"A{i}", over("L"), slice="A") for i in range(4)),
        ProblemFlow("B", over("L"), slice="B"),
    )
    tenants = {"A": SliceShare(), "B": SliceShare()}
    by_flow = AllocationProblem({"L": 1}, flows, tenants, per_flow=True)
    check(by_flow, dict.fromkeys([f.id for f in flows], 1 / 5))
    by_tenant = AllocationProblem({"L": 1}, flows, tenants)
    check(by_tenant, {**dict.fromkeys(["A0", "A1", "A2", "A3"], 1 / 8), "B": 1 / 2})
