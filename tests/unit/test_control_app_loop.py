"""The core's one thread: who calls it, in which order, and what goes on meanwhile."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from fairslice.control.app import loop as loop_module
from fairslice.control.app.computing import Answer, Question
from fairslice.control.app.core import Core
from fairslice.control.app.events import (
    Answered,
    Compute,
    Computed,
    Effect,
    Event,
    Later,
    LinkFound,
    PolicyGiven,
    ProbesGiven,
    Proceed,
    SendArp,
    SwitchLeft,
    Tick,
)
from fairslice.control.app.loop import Loop
from fairslice.control.openflow.arp import Arp
from fairslice.errors import InputError, MachineError
from fairslice.policy.model import Policy
from fairslice.topology.discovery import SeenLink

POLICY = Policy("p", ())
LINK = LinkFound(SeenLink(1, 1, 2, 2))
ARP = SendArp(1, (1,), Arp(True, "m", "10.0.0.1", "n", "10.0.0.2"))


class FakeCore(Core):
    """Notes who calls it with what, and answers as it is told."""

    def __init__(self, answer: Callable[[Event], list[Effect]] = lambda _: []) -> None:
        super().__init__()
        self.answer = answer
        self.events: list[Event] = []
        self.threads: set[int] = set()

    def handle(self, event: Event, now: float) -> list[Effect]:
        self.threads.add(threading.get_ident())
        if not isinstance(event, Tick):
            self.events.append(event)
        return self.answer(event)


class World:
    def __init__(self) -> None:
        self.loops: list[Loop] = []
        self.carried: list[object] = []

    def begin(self, core: Core) -> Loop:
        loop = Loop(core, self.carried.append)
        self.loops.append(loop)
        loop.start()
        return loop


@pytest.fixture
def world() -> Iterator[World]:
    one = World()
    yield one
    for loop in one.loops:
        loop.stop()


def settled(loop: Loop) -> None:
    """All that was told before has been handled."""
    loop.read(lambda _: None)


def test_many_threads_tell_and_one_calls(world: World) -> None:
    core = FakeCore()
    loop = world.begin(core)

    def tell() -> None:
        for _ in range(200):
            loop.tell(LINK)

    tellers = [threading.Thread(target=tell) for _ in range(8)]
    for teller in tellers:
        teller.start()
    for teller in tellers:
        teller.join()
    settled(loop)
    assert core.events == [LINK] * 1600
    assert len(core.threads) == 1
    assert threading.get_ident() not in core.threads


def test_events_are_handled_in_their_order(world: World) -> None:
    core = FakeCore()
    loop = world.begin(core)
    events = [SwitchLeft(dpid) for dpid in range(500)]
    for event in events:
        loop.tell(event)
    settled(loop)
    assert core.events == events


def test_what_is_put_off_comes_after_what_waits(world: World) -> None:
    gate = threading.Event()

    def answer(event: Event) -> list[Effect]:
        if event == SwitchLeft(1):
            gate.wait(10)
            return [Later()]
        return []

    core = FakeCore(answer)
    loop = world.begin(core)
    loop.tell(SwitchLeft(1))
    loop.tell(SwitchLeft(2))
    gate.set()
    settled(loop)
    settled(loop)
    assert core.events == [SwitchLeft(1), SwitchLeft(2), Proceed()]


def test_what_concerns_switches_is_handed_on(world: World) -> None:
    loop = world.begin(FakeCore(lambda event: [ARP] if event == LINK else []))
    loop.tell(LINK)
    settled(loop)
    assert world.carried == [ARP]


def test_time_passes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_module, "TICK_S", 0.01)
    ticks = threading.Semaphore(0)

    def answer(event: Event) -> list[Effect]:
        if isinstance(event, Tick):
            ticks.release()
        return []

    world.begin(FakeCore(answer))
    for _ in range(3):
        assert ticks.acquire(timeout=10)


def test_who_asks_waits_for_the_answer(world: World) -> None:
    refusal = InputError("no")

    def answer(event: Event) -> list[Effect]:
        match event:
            case PolicyGiven():
                return [Answered(event)]
            case ProbesGiven():
                return [Answered(event, refusal)]
        return []

    loop = world.begin(FakeCore(answer))
    loop.ask(PolicyGiven(POLICY))
    with pytest.raises(InputError) as raised:
        loop.ask(ProbesGiven(()))
    assert raised.value is refusal


def test_nobody_waits_forever(world: World) -> None:
    loop = world.begin(FakeCore())
    with pytest.raises(MachineError, match=r"did not answer within 0\.05 s"):
        loop.ask(PolicyGiven(POLICY), timeout_s=0.05)
    gate = threading.Event()
    loop.tell(SwitchLeft(1))
    with pytest.raises(MachineError, match=r"did not answer within 0\.05 s"):
        loop.read(lambda _: gate.wait(5), timeout_s=0.05)
    gate.set()


def test_a_fault_of_our_own_ends_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    def answer(event: Event) -> list[Effect]:
        if event == SwitchLeft(1):
            raise ZeroDivisionError
        return []

    core = FakeCore(answer)
    loop = world.begin(core)
    loop.tell(SwitchLeft(1))
    loop.tell(LINK)
    settled(loop)
    assert core.events[-1] == LINK
    assert "SwitchLeft could not be handled" in caplog.text
    with pytest.raises(ZeroDivisionError):
        loop.read(lambda _: 1 // 0)


def test_computing_keeps_nobody_waiting_and_the_urgent_waits_for_no_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, urgent, gate = Question(POLICY, None), Question(POLICY, None), threading.Event()
    done = threading.Event()

    def work_out(question: Question) -> Answer:
        if question is slow:
            assert gate.wait(10)
        return Answer()

    def answer(event: Event) -> list[Effect]:
        match event:
            case SwitchLeft(1):
                return [Compute(slow, urgent=False), Compute(urgent, urgent=True)]
            case Computed(question) if question is slow:
                done.set()
        return []

    monkeypatch.setattr(loop_module, "work_out", work_out)
    core = FakeCore(answer)
    loop = world.begin(core)
    loop.tell(SwitchLeft(1))
    end_s = time.monotonic() + 10
    while not any(isinstance(event, Computed) for event in core.events) and time.monotonic() < end_s:
        settled(loop)
    (computed,) = [event for event in core.events if isinstance(event, Computed)]
    assert computed.question is urgent
    assert computed.answer is not None
    gate.set()
    assert done.wait(10)


@pytest.mark.parametrize(
    ("fault", "told"), [(InputError("h9?"), "h9?"), (ZeroDivisionError(), "internal error of the controller")]
)
def test_what_can_t_be_computed_is_told(
    fault: Exception, told: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work_out(_: Question) -> Answer:
        raise fault

    refused: list[Computed] = []
    done = threading.Event()

    def answer(event: Event) -> list[Effect]:
        if event == LINK:
            return [Compute(Question(POLICY, None), urgent=True)]
        if isinstance(event, Computed):
            refused.append(event)
            done.set()
        return []

    monkeypatch.setattr(loop_module, "work_out", work_out)
    world.begin(FakeCore(answer)).tell(LINK)
    assert done.wait(10)
    assert refused[0].answer is None
    assert told in str(refused[0].refusal)
