"""Finding flows that some packet would match twice, in time linear in their number."""

import itertools

from fairslice.errors import Fault, Location
from fairslice.naming import ends
from fairslice.policy.model import FlowSpec, Match

_Fields = tuple[int | None, int | None, int | None]
_INDEXES = range(3)
_SHAPES = tuple(
    frozenset(shape) for size in range(len(_INDEXES) + 1) for shape in itertools.combinations(_INDEXES, size)
)


class OverlapIndex:
    """Matches by pair of endpoints; ``owner`` is the caller's number of the entry that a match belongs to.

    Two matches overlap if they agree in all the fields that both give. A match is filed once for each subset
    of the fields that it gives (8 at most), with its values of that subset. ``proto: tcp, dst_port: 80``, for
    one, is filed under nothing, under proto, under dst_port and under both. It is looked up once for each set
    of fields that another match may give: one with dst_port and src_port would be met at dst_port: 80.
    """

    def __init__(self) -> None:
        self._first: dict[tuple[str, str], dict[tuple[frozenset[int], _Fields], int]] = {}

    def add(self, pair: tuple[str, str], match: Match, owner: int) -> int | None:
        """File a match; the owner of the earliest overlapping one of the same pair, None if there is none."""
        fields: _Fields = (match.proto, match.src_port, match.dst_port)
        given = frozenset(index for index in _INDEXES if fields[index] is not None)
        filed = self._first.get(pair)
        if filed is None:
            filed, found = self._first.setdefault(pair, {}), []
        else:
            found = [filed[key] for shape in _SHAPES if (key := (shape, _project(fields, shape))) in filed]
        for size in range(len(given) + 1):
            for kept in itertools.combinations(sorted(given), size):
                filed.setdefault((given, _project(fields, frozenset(kept))), owner)
        return min(found, default=None)


def _project(fields: _Fields, kept: frozenset[int]) -> _Fields:
    proto, src_port, dst_port = (fields[index] if index in kept else None for index in _INDEXES)
    return (proto, src_port, dst_port)


def overlap_fault(later: tuple[str, FlowSpec], earlier: tuple[str, FlowSpec]) -> Fault:
    """The fault of an entry, given with its slice's name, that overlaps an earlier one."""
    message = (
        f"flow {_pair(later)} of slice {later[0]!r} overlaps flow {_pair(earlier)} of slice {earlier[0]!r} "
        f"at {earlier[1].location}; expected matches that no packet fits both"
    )
    return Fault(message, later[1].location)


def _pair(entry: tuple[str, FlowSpec]) -> str:
    spec = entry[1]
    return ends(spec.source, spec.destination, spec.match)


def by_location(faults: list[Fault]) -> tuple[Fault, ...]:
    """Faults in the order of the file, each once."""
    nowhere = Location("", 0, 0)
    return tuple(sorted(dict.fromkeys(faults), key=lambda fault: (fault.location or nowhere, fault.message)))
