"""Which switches hold what they should, and what is done about the others. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from fairslice.control.app.events import Effect, Install, InstallEnded, Later, SwitchJoined
from fairslice.slicing.state.desired import SwitchState
from fairslice.slicing.state.diff import plan

RETRY_AFTER_S = 5.0
MAX_TRIES = 3


@dataclass(slots=True)
class Connected:
    """A switch that is connected."""

    ports_up: frozenset[int] = frozenset()
    capacity_bps: Mapping[int, float] = field(default_factory=dict)
    installed: SwitchState | None = None
    """What it holds; None until that was read."""
    is_busy: bool = False
    """A plan is being carried out."""
    is_right: bool = False
    """It was found to hold what it should."""
    failures: tuple[str, ...] = ()
    tries: int = 0
    retry_at: float | None = None


class Installer:
    """Makes connected switches hold what they should.

    Plans are made for one switch at a time, so that what else happens waits for one plan at most.

    Args:
        queues: whether queues are managed (False where there is no OVSDB).
    """

    def __init__(self, *, queues: bool) -> None:
        self.switches: dict[int, Connected] = {}
        self.desired: Mapping[int, SwitchState] = {}
        """What each connected switch should hold, by dpid."""
        self.modifications = 0
        self._queues = queues
        self._due: dict[int, None] = {}
        self._is_going = False

    @property
    def is_done(self) -> bool:
        """Whether all switches hold what they should."""
        return all(dpid in self.switches and self.switches[dpid].is_right for dpid in self.desired)

    @property
    def failures(self) -> tuple[str, ...]:
        """What went wrong the last time, of all switches."""
        return tuple(error for switch in self.switches.values() for error in switch.failures)

    def join(self, event: SwitchJoined) -> None:
        """Take what was read from a switch that has connected."""
        switch = self.switches.setdefault(event.dpid, Connected())
        switch.ports_up, switch.capacity_bps = event.ports_up, event.capacity_bps
        switch.installed = self._managed(event.installed)
        switch.is_busy = switch.is_right = False

    def leave(self, dpid: int) -> None:
        """Forget a switch."""
        self.switches.pop(dpid, None)
        self._due.pop(dpid, None)

    def want(self, states: Mapping[int, SwitchState]) -> list[Effect]:
        """What each switch of the network should hold from now on."""
        self.desired = {dpid: self._managed(state) for dpid, state in states.items() if dpid in self.switches}
        for switch in self.switches.values():
            switch.is_right, switch.tries, switch.retry_at = False, 0, None
        return self.go_on()

    def go_on(self, now: float | None = None) -> list[Effect]:
        """Plan for the switches that do not hold what they should; ``now`` lets failed ones wait."""
        for dpid in self.desired:
            switch = self.switches.get(dpid)
            if switch is None or switch.installed is None or switch.is_busy or switch.is_right:
                continue
            if switch.tries >= MAX_TRIES or (now is not None and now < (switch.retry_at or now)):
                continue
            self._due[dpid] = None
        if self._due and not self._is_going:
            self._is_going = True
            return [Later()]
        return []

    def proceed(self) -> list[Effect]:
        """Make the next plan."""
        self._is_going = False
        effects: list[Effect] = []
        while self._due and not effects:
            dpid = next(iter(self._due))
            del self._due[dpid]
            switch = self.switches[dpid]
            if switch.is_busy or switch.installed is None or dpid not in self.desired:
                continue
            todo = plan(switch.installed, self.desired[dpid])
            switch.is_right = not todo
            if todo:
                switch.is_busy = True
                switch.tries += 1
                effects.append(Install(dpid, todo))
            break
        if self._due:
            self._is_going = True
            effects.append(Later())
        return effects

    def ended(self, event: InstallEnded, now: float) -> list[Effect]:
        """A plan was carried out, as far as it went."""
        switch = self.switches.get(event.dpid)
        if switch is None:
            return []
        switch.is_busy = False
        switch.installed = self._managed(event.installed)
        self.modifications += event.modifications
        if event.dpid not in self.desired:
            return []
        switch.failures = ()
        wrong = plan(switch.installed, self.desired[event.dpid])
        if event.errors or (wrong and switch.tries > 0):
            switch.retry_at = now + RETRY_AFTER_S
            switch.failures = event.errors or (
                f"switch {event.dpid:016x} does not hold what was installed: "
                + ", ".join(f"{count} {what}" for what, count in wrong.counts() if count)
                + " to do",
            )
            return []
        switch.is_right = not wrong
        return self.go_on(now)

    def _managed(self, state: SwitchState) -> SwitchState:
        return state if self._queues else replace(state, qos={})
