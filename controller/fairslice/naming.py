"""How flows are named: in what is shown, and by people who ask for one. Pure.

A flow is shown as ``h1->h4``, with its match if it has one, beside its slice and its number, which counts
from 1 over the whole policy. It may be asked for by its number, by its id, or by any part that only it has.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fairslice.errors import InputError

ARROW = "->"
"""Between the two ends of a flow or of a link: every terminal has it, and every keyboard."""
NEAREST = 3
TOLD = 10
"""So many flows that may be meant are named, and so many numbers in a note; the rest is counted."""

_TOKEN = re.compile(r"->|(?:[^\s:-]|-(?!>))+")


@dataclass(frozen=True, slots=True)
class Named:
    """A flow as people may ask for it: its number, its id, its slice ("": none)."""

    number: int
    id: str
    slice: str = ""

    def __str__(self) -> str:
        return f"{self.number} ({self.id})"


def ends(source: str, destination: str, match: object = "") -> str:
    """A flow as it is shown beside its slice.

    >>> ends("h1", "h4", "udp dst_port 5004")
    'h1->h4 udp dst_port 5004'
    """
    return f"{source}{ARROW}{destination} {match}".rstrip()


def flow_id(slice_: str, source: str, destination: str, match: object = "") -> str:
    """A flow's name in its policy, unique there.

    >>> flow_id("gold", "h1", "h4")
    'gold:h1->h4'
    """
    return f"{slice_}:{ends(source, destination, match)}"


def normal(text: str) -> str:
    """The same with the one arrow, and no more space than needed.

    >>> normal(" h1  →  h4 ")
    'h1->h4'
    """
    return re.sub(r"\s*(?:->|→)\s*", ARROW, " ".join(text.split()))


def numbers(flows: Iterable[int]) -> str:
    """Flows named by their numbers.

    >>> numbers([3]), numbers([1, 2, 3, 7])
    ('flow 3', 'flows 1 to 3 and 7')
    """
    ordered = sorted(set(flows))
    runs: list[list[int]] = []
    for number in ordered:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    runs = [part for run in runs for part in ([run] if len(run) > 2 else [[number] for number in run])]
    parts = [f"{run[0]} to {run[-1]}" if len(run) > 2 else str(run[0]) for run in runs]
    if len(parts) > TOLD:
        left = sum(map(len, runs[TOLD - 1 :]))
        parts = [*parts[: TOLD - 1], f"{left} more"]
    word = "flow" if len(ordered) == 1 else "flows"
    return f"{word} {_listed(parts)}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""


def find_flow(wanted: str, flows: Sequence[Named], what: str = "FLOW") -> Named:
    """The flow that is meant.

    Args:
        wanted: its number; its id; its ends, as ``h1->h4`` or ``h1 → h4``; or any part of its id that no
            other flow has, such as ``h4`` or ``5004``.
        flows: all that there are.
        what: what the text was given for, in the words of whoever is refused.

    Raises:
        InputError: no flow or several are meant: the nearest, or those that may be.
    """
    found = _named(wanted, flows)
    if len(found) == 1:
        return found[0]
    raise _refusal(wanted, found, flows, what)


def find_flows(wanted: str, flows: Sequence[Named], what: str = "FLOW") -> tuple[Named, ...]:
    """The flows that are meant: all of a slice, all of a slice with the same ends, or a single one.

    Args:
        wanted: a slice; ``slice:h1->h4``, whatever the matches; or as of :func:`find_flow`.
        flows: all that there are.
        what: what the text was given for, in the words of whoever is refused.

    Raises:
        InputError: no flow or several are meant: the nearest, or those that may be.
    """
    text = normal(wanted)
    if any(text == flow.id for flow in flows):
        return (find_flow(wanted, flows, what),)
    of_slice = tuple(
        flow for flow in flows if text in (flow.slice, f"{flow.slice}:{_ends_of(flow)}") and text
    )
    return of_slice or (find_flow(wanted, flows, what),)


def _named(wanted: str, flows: Sequence[Named]) -> list[Named]:
    """Those that fit, by the narrowest reading that any of them fits."""
    text = normal(wanted)
    same = [flow for flow in flows if text in (flow.id, _spoken(flow))]
    if same or not text:
        return same
    is_number = re.fullmatch(r"#?[0-9]{1,9}", text) is not None
    numbered = [flow for flow in flows if is_number and flow.number == int(text.lstrip("#"))]
    if numbered:
        return numbered
    as_shown = [flow for flow in flows if text == _after_slice(flow)]
    found = as_shown or [flow for flow in flows if text == _ends_of(flow)] or _with_words(text, flows)
    # The 4 of h4 is not what is meant by a 4.
    return found if found or is_number else _with_letters(text, flows)


def _with_words(text: str, flows: Sequence[Named]) -> list[Named]:
    """Those whose id has its words, one after the other."""
    words = _TOKEN.findall(text)

    def has_words(flow: Named) -> bool:
        there = _TOKEN.findall(flow.id)
        return any(there[i : i + len(words)] == words for i in range(len(there)))

    return [flow for flow in flows if has_words(flow)] if words else []


def _with_letters(text: str, flows: Sequence[Named]) -> list[Named]:
    part = text.lower()
    return [flow for flow in flows if part in _spoken(flow).lower() or part in flow.id.lower()]


def _spoken(flow: Named) -> str:
    """As a sentence has it: ``gold h1->h4``."""
    return f"{flow.slice} {_after_slice(flow)}".lstrip()


def _after_slice(flow: Named) -> str:
    return flow.id.removeprefix(f"{flow.slice}:") if flow.slice else flow.id


def _ends_of(flow: Named) -> str:
    return _after_slice(flow).partition(" ")[0]


def _refusal(wanted: str, found: Sequence[Named], flows: Sequence[Named], what: str) -> InputError:
    if found:
        more = f" and {len(found) - TOLD} more" if len(found) > TOLD else ""
        which = f"{', '.join(map(str, found[:TOLD]))}{more}"
        return InputError(f'{what}: "{wanted}" may be each of {which}; expected the number or the id of one')
    if not flows:
        return InputError(f'{what}: there is no flow "{wanted}"; there are none')
    near = ", ".join(map(str, _nearest(wanted, flows)))
    if len(flows) == 1:
        return InputError(f'{what}: there is no flow "{wanted}"; there is only {near}')
    return InputError(
        f'{what}: there is no flow "{wanted}"; the nearest are {near}; expected a number from 1 to '
        f"{len(flows)}, an id, or a part that only one flow has"
    )


def _nearest(wanted: str, flows: Sequence[Named]) -> list[Named]:
    text = normal(wanted).lower()

    def likeness(flow: Named) -> float:
        forms = (flow.id, _after_slice(flow), _ends_of(flow), flow.slice)
        return max(difflib.SequenceMatcher(None, text, form.lower()).ratio() for form in forms)

    return sorted(flows, key=likeness, reverse=True)[:NEAREST]
