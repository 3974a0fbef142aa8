"""Networks of SNDlib in its XML format (Orlowski et al., "SNDlib 1.0", Networks 55(3), 2010).

Its capacities have the unit that ``<meta>`` tells, if it does, else none; most instances mean Mbit/s.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

from fairslice.errors import Fault, InputError
from fairslice.files.xml_tree import Element
from fairslice.topology.check import Faults
from fairslice.topology.graphs import Graph, GraphCable, GraphNode

_UNIT = re.compile(r"([KMGT]?)BITS?(?:PERSEC|PERSECOND|/S|PS)", re.IGNORECASE)
_FACTORS: Mapping[str, float] = {"": 1.0, "K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
_SPEED_WORDS = "capacity of a preInstalledModule, or of its only addModule"


def read_sndlib(root: Element, file: str, faults: Faults) -> Graph:
    """The graph in an SNDlib network file.

    A link carries what is installed on it, or, where that is nothing, what the only module carries that can
    be added. Coordinates, costs and demands are not read.

    Args:
        root: The file's root element.
        file: Its name, for faults.
        faults: Where capacities that can't be read are reported.

    Raises:
        InputError: the structure is not that of a network; with everything that is wrong with it.
    """
    broken = Faults(file)
    structure = root.first("networkStructure")
    nodes_element = structure.first("nodes") if structure else None
    links_element = structure.first("links") if structure else None
    if structure is None or nodes_element is None or links_element is None:
        missing = "networkStructure" if structure is None else "nodes" if nodes_element is None else "links"
        raise InputError([Fault(f"no <{missing}>; expected one", (structure or root).location)])
    nodes: dict[str, GraphNode] = {}
    for node in nodes_element.all("node"):
        id_ = node.attributes.get("id", "").strip()
        if not id_:
            broken.add("a node without id; expected one", node.location)
        elif id_ in nodes:
            broken.add(f"two nodes have the id {id_!r}; expected one", node.location)
        else:
            nodes[id_] = GraphNode(id_, "", node.location)
    factor = _factor(root, broken)
    cables = []
    links: set[str] = set()
    for link in links_element.all("link"):
        id_ = link.attributes.get("id", "").strip()
        if id_ and id_ in links:
            broken.add(f"two links have the id {id_!r}; expected one", link.location)
        links.add(id_)
        ends = [_text(link, name) for name in ("source", "target")]
        for name, end in zip(("source", "target"), ends, strict=True):
            if not end:
                broken.add(f"link {id_!r} has no <{name}>; expected a node's id", link.location)
            elif end not in nodes:
                broken.add(f"link {id_!r}: no node has the id {end!r}", link.location)
        cables.append(_cable(link, f"link {id_!r}", ends[0], ends[1], factor or 1e6, faults))
    if broken.found:
        raise InputError([*broken.found, *faults.found])
    doubts: tuple[Fault, ...] = ()
    if factor is None and any(cable.capacity_bps is not None for cable in cables):
        doubt = "the file tells no unit of its capacities; Mbit/s is taken"
        doubts = (Fault(doubt, links_element.location),)
    # An opposite link is the other direction: directed instances have both.
    return Graph(
        Path(file).stem, list(nodes.values()), cables, directed=True, speed_words=_SPEED_WORDS, doubts=doubts
    )


def _text(element: Element, name: str) -> str:
    child = element.first(name)
    return "" if child is None else child.text.strip()


def _factor(root: Element, faults: Faults) -> float | None:
    """What a capacity of 1 is in bit/s; None where the file does not tell."""
    meta = root.first("meta")
    unit = meta.first("unit") if meta else None
    if unit is None or not unit.text.strip():
        return None
    found = _UNIT.fullmatch(unit.text.strip())
    if found is None:
        faults.add(f"unit {unit.text.strip()!r}; expected one such as MBITPERSEC", unit.location)
        return None
    return _FACTORS[found[1].upper()]


def _cable(link: Element, what: str, source: str, target: str, factor: float, faults: Faults) -> GraphCable:
    installed = link.first("preInstalledModule")
    added = link.first("additionalModules")
    capacity_bps = None
    why = "no capacity is installed"
    offered = []
    for module in ([installed] if installed else []) + (list(added.all("addModule")) if added else []):
        capacity = module.first("capacity")
        number = math.nan
        if capacity is not None:
            try:
                number = float(capacity.text)
            except ValueError:
                number = math.nan
        if not 0 <= number < math.inf:
            found = "no capacity" if capacity is None else f"capacity {capacity.text.strip()!r}"
            faults.add(f"{what}: {found}; expected a number, 0 or more", (capacity or module).location)
            why = ""
        elif module is installed and number > 0:
            capacity_bps = number * factor
        elif number > 0:
            offered.append(number)
    if capacity_bps is None and len(set(offered)) == 1:
        capacity_bps = offered[0] * factor
    elif len(set(offered)) > 1:
        why += ", and several modules are offered: " + ", ".join(f"{one:g}" for one in offered)
    return GraphCable(source, target, capacity_bps, link.location, why)
