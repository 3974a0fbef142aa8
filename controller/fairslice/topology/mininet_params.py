"""Which classes and parameters of a Mininet Topo are emulated, which are refused, and which warned of.

What would change what is measured is refused, what would not is warned of; nothing is passed over in silence.
docs/topologies.md has the table. The sources are the signatures of mininet.node and mininet.link (2.3.0).
"""

import functools
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fairslice.topology.check import Faults

Kind = Literal["host", "switch", "link", "interface"]

_PLAIN: Mapping[Kind, tuple[str, ...]] = {
    "host": ("mininet.node.Host", "mininet.node.Node"),
    "switch": ("mininet.node.OVSSwitch", "mininet.node.Switch"),
    "link": ("mininet.link.TCLink", "mininet.link.Link", "mininet.link.TCULink"),
    "interface": ("mininet.link.TCIntf", "mininet.link.Intf"),
}
"""What is emulated; the first of each is what is expected."""

_LIKE_PLAIN: Mapping[str, str] = {
    "mininet.node.CPULimitedHost": "hosts share the machine's processors",
    "mininet.node.OVSBridge": "fairslice's controller tells it where to send, it does not learn by itself",
    "mininet.link.OVSLink": "cables between switches are pairs of interfaces, too",
}
"""Classes whose nodes and links are built as plain ones, and what of them is lost."""

_OF_EVERY_CLASS = frozenset(dir(type("Empty", (), {}))) | {
    *("__annotations__", "__firstlineno__", "__static_attributes__", "__annotate__", "__annotate_func__"),
    *("__annotations_cache__", "__orig_bases__", "__parameters__", "__slots__"),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What becomes of a parameter: nothing is said where ``holds`` is true of its value."""

    reason: str
    holds: Callable[[Any], bool] = lambda value: value is None
    refused: bool = False


def _off(value: Any) -> bool:
    return not value


def _on(value: Any) -> bool:
    return bool(value)


_PROCESSORS = Rule("hosts share the machine's processors", lambda value: value is None or value == -1)
_OFFLOADS_OFF = Rule("the offloads of all interfaces are off", _off)
_QUEUE = "a queue's depth is the policy's buffer"
_HTB = "a link is shared by HTB queues"
_DROP = "queues drop what comes when they are full"

HOST: Mapping[str, Rule] = {
    "cpu": _PROCESSORS,
    "cores": _PROCESSORS,
    "sched": _PROCESSORS,
    "period_us": _PROCESSORS,
    "inNamespace": Rule("a host has a network namespace of its own", _on, refused=True),
    "defaultRoute": Rule("a host reaches all others over its one cable"),
    "privateDirs": Rule("hosts share the machine's files", _off),
    "lo": Rule("the loopback interface is up", lambda value: value in (None, "up")),
    "waitExited": Rule("", lambda _: True),
}
SWITCH: Mapping[str, Rule] = {
    "protocols": Rule(
        "switches and controller speak OpenFlow 1.3", lambda value: value is None or "OpenFlow13" in value
    ),
    "datapath": Rule("the datapath is chosen by `fairslice run --datapath`"),
    "failMode": Rule(
        "switches keep what they have when the controller is gone", lambda value: value in (None, "secure")
    ),
    "stp": Rule("loops are safe without it", _off),
    "inband": Rule("the controller has connections of its own", _off),
    "inNamespace": Rule("all switches are in one network namespace", _off, refused=True),
    "opts": Rule("", _off),
    "dpopts": Rule("", _off),
    "ip": Rule("a switch has no address"),
    "mac": Rule("a switch has no address"),
    "batch": Rule("", lambda _: True),
}
LINK: Mapping[str, Rule] = {
    "jitter": Rule("a link's delay is constant", _off, refused=True),
    "max_queue_size": Rule(_QUEUE, _off, refused=True),
    "latency_ms": Rule(_QUEUE, _off, refused=True),
    "speedup": Rule("a link carries its bw", _off, refused=True),
    "use_hfsc": Rule(_HTB, _off, refused=True),
    "use_tbf": Rule(_HTB, _off, refused=True),
    "enable_ecn": Rule(_DROP, _off, refused=True),
    "enable_red": Rule(_DROP, _off, refused=True),
    "use_htb": Rule("", lambda _: True),
    "gro": _OFFLOADS_OFF,
    "txo": _OFFLOADS_OFF,
    "rxo": _OFFLOADS_OFF,
    "disable_gro": Rule(_OFFLOADS_OFF.reason, _on),
    "up": Rule("cables are up when a run begins", _on, refused=True),
    "ifconfig": Rule("all interfaces are configured alike, with an MTU of 1500 bytes", _off, refused=True),
    "fast": Rule("", lambda _: True),
    "port": Rule("port1 and port2 of addLink tell the port"),
}
"""Parameters of addHost, addSwitch and addLink that are not used."""
_HEEDED: Mapping[Kind, frozenset[str]] = {
    "host": frozenset({"cls", "ip", "mac"}),
    "switch": frozenset({"cls", "dpid", "isSwitch"}),
    "link": frozenset(
        {
            *("cls", "node1", "node2", "port1", "port2", "intfName1", "intfName2", "addr1", "addr2"),
            *("intf", "cls1", "cls2", "params1", "params2", "bw", "delay", "loss", "ip", "mac"),
        }
    ),
}
"""What is read elsewhere."""
_HEEDED_AT_AN_END = frozenset({"bw", "delay", "loss", "ip", "mac"})
_RULES: Mapping[Kind, Mapping[str, Rule]] = {"host": HOST, "switch": SWITCH, "link": LINK}


def with_class_parameters(info: Mapping[str, Any]) -> Mapping[str, Any]:
    """The parameters with those that ``functools.partial`` gives along with a class."""
    cls = info.get("cls")
    if isinstance(cls, functools.partial) and not cls.args:
        return with_class_parameters({**cls.keywords, **info, "cls": cls.func})
    return info


def judge_node(kind: Literal["host", "switch"], name: str, info: Mapping[str, Any], faults: Faults) -> None:
    """Refuse or warn of what a node has and fairslice does not emulate."""
    who = f"{kind} {name}"
    _judge_class(kind, who, "class", info.get("cls"), faults)
    limited = any(
        not _PROCESSORS.holds(info.get(keyword)) for keyword in ("cpu", "cores")
    ) and "mininet.node.CPULimitedHost" in map(_dotted, getattr(info.get("cls"), "__mro__", ()))
    if limited:
        given = ", ".join(f"{k}={info[k]!r}" for k in ("cpu", "cores") if k in info)
        faults.add(f"{who}: {given} of CPULimitedHost; expected none, because {_PROCESSORS.reason}")
    skipped = {"cpu", "cores"} if limited else set()
    _judge_parameters(kind, who, {k: v for k, v in info.items() if k not in skipped}, faults)


def judge_cable(cable: str, info: Mapping[str, Any], faults: Faults) -> None:
    """Refuse or warn of what a cable has for both its ends and fairslice does not emulate."""
    _judge_class("link", cable, "class", info.get("cls"), faults)
    for keyword in ("intf", "cls1", "cls2"):
        _judge_class("interface", cable, f"{keyword}, class", info.get(keyword), faults)
    for keyword in ("params1", "params2"):
        if info.get(keyword) is not None and not isinstance(info[keyword], Mapping):
            faults.add(f"{cable}: {keyword}={info[keyword]!r}; expected a dict")
    _judge_parameters("link", cable, info, faults)


def judge_end(cable: str, info: Mapping[str, Any], faults: Faults) -> None:
    """Refuse or warn of what one end of a cable has and fairslice does not emulate."""
    _judge_parameters("link", cable, info, faults, _HEEDED_AT_AN_END)


def _judge_parameters(
    kind: Kind, who: str, info: Mapping[str, Any], faults: Faults, heeded: Collection[str] | None = None
) -> None:
    for keyword, value in info.items():
        if keyword in (_HEEDED[kind] if heeded is None else heeded):
            continue
        rule = _RULES[kind].get(keyword, Rule("", lambda _: False))
        try:
            if rule.holds(value):
                continue
        except (TypeError, ValueError):
            # An array, say, is neither true nor false.
            pass
        if rule.refused:
            faults.add(f"{who}: {keyword}={value!r}; expected none, because {rule.reason}")
        else:
            faults.warn(who, f"{keyword} is not used" + (f": {rule.reason}" if rule.reason else ""))


def _dotted(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _judge_class(kind: Kind, who: str, what: str, cls: object, faults: Faults) -> None:
    if cls is None:
        return
    expected = _PLAIN[kind][0]
    if not inspect.isclass(cls):
        faults.add(f"{who}: {what} {cls!r}; expected a class, as {expected}, to see what it makes")
        return
    name = cls.__qualname__
    known = next((c for c in cls.__mro__ if _dotted(c) in (*_PLAIN[kind], *_LIKE_PLAIN)), None)
    overridden = [] if known is None else sorted(_overridden(cls, known))
    if known is None or (_of_mininet(cls) and overridden):
        faults.add(f"{who}: {what} {name}; expected {expected}, which is what fairslice emulates")
    elif overridden:
        faults.add(
            f"{who}: {what} {name} has {', '.join(overridden)} of its own, which fairslice would not emulate;"
            f" expected {expected}"
        )
    elif _dotted(known) in _LIKE_PLAIN:
        faults.warn(who, f"{what} {name} is built as {expected}: {_LIKE_PLAIN[_dotted(known)]}")
    elif known is not cls:
        faults.warn(who, f"{what} {name} is built as {expected}, of which it overrides nothing")


def _of_mininet(cls: type) -> bool:
    return cls.__module__.partition(".")[0] == "mininet"


def _overridden(cls: type, known: type) -> Iterator[str]:
    """What a class and its bases, up to a known one, have in place of the known one's attributes."""
    inherited = set(dir(known))
    for base in cls.__mro__[: cls.__mro__.index(known)]:
        if base not in known.__mro__:
            own = set(vars(base)) - _OF_EVERY_CLASS
            yield from (name for name in {*own, *({"__init__"} & set(vars(base)))} if name in inherited)
