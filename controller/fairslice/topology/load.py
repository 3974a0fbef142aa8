"""Loading a network by what a user writes: ``FILE.py[:name[,args]]``, or the name of another kind of file."""

import codecs
import contextlib
import inspect
import io
import json
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fairslice.errors import Fault, InputError, Location, MachineError
from fairslice.files.json_places import find_places
from fairslice.linux.mininet_package import mininet_cure
from fairslice.topology.check import Faults, expect_bandwidth
from fairslice.topology.mininet_topo import read_topo
from fairslice.topology.network import Network
from fairslice.topology.options import NetworkOptions
from fairslice.topology.topos import require_maker, require_topo
from fairslice.topology.watch import NoNodeError, Watch

_SPEC = re.compile(r"(?P<file>.+?\.(?P<suffix>py|json|graphml|xml))(?::(?P<rest>.*))?", re.DOTALL)
_FORMS = (
    "FILE.py[:name[,args]], a file as for mn --custom and what follows --topo, FILE.json, a network file,"
    " FILE.graphml, or FILE.xml, a network of SNDlib"
)

MAX_FILE_BYTES = 256 << 20
"""Far more than any network needs; a device such as /dev/zero has no end."""

Argument = int | float | str


@dataclass(frozen=True)
class TopologySpec:
    """What ``FILE.py[:name[,args]]`` says; ``name`` is None where it is left out."""

    file: Path
    name: str | None = None
    args: tuple[Argument, ...] = ()
    kwargs: Mapping[str, Argument] | None = None

    @property
    def call(self) -> str:
        """``dumbbell(4, bottleneck=50)``."""
        arguments = [repr(a) for a in self.args] + [f"{k}={v!r}" for k, v in (self.kwargs or {}).items()]
        return f"{self.name}({', '.join(arguments)})"


def load_network(
    spec: str | Path, *, bandwidth_bps: float | None = None, options: NetworkOptions | None = None
) -> Network:
    """Load a network.

    A Python file is run as ``mn --custom`` runs it, and must be trusted as much; what it prints goes to
    stderr.

    Args:
        spec: What the user writes.
        bandwidth_bps: The capacity, in bit/s, of cables that have none: a finite number above 0. Without it
            they are refused.
        options: What else is asked of the network.

    Raises:
        InputError: an argument is wrong; the file can't be read or run; or the network in it is wrong, with
            all its faults.
        MachineError: the file needs Mininet, which is not installed.
    """
    if not isinstance(spec, str | Path):
        raise InputError(f"spec: found {type(spec).__name__}, expected a text: {_FORMS}")
    expect_bandwidth(bandwidth_bps)
    if not isinstance(options, NetworkOptions | None):
        raise InputError(f"options: found {type(options).__name__}, expected NetworkOptions, or None")
    parsed = parse_spec(str(spec))
    options = options or NetworkOptions()
    if parsed.file.suffix in (".graphml", ".xml"):
        network = _load_graph(parsed.file, bandwidth_bps, options)
    else:
        _refuse_options_of_graphs(parsed.file, options)
        network = _load_whole(parsed, bandwidth_bps)
    return network if options.scaling is None else options.scaling.scaled(network)


def _load_whole(parsed: TopologySpec, bandwidth_bps: float | None) -> Network:
    """A topology that has its own hosts."""
    if parsed.file.suffix == ".json":
        return _load_json(parsed.file, bandwidth_bps)
    file = str(parsed.file)
    source = _read(parsed.file)
    watch = Watch(file)
    try:
        with watch.running():
            parsed, make = _choose(parsed, source)
            topo = _build(parsed, make)
    finally:
        # It is the cause of whatever else went wrong.
        watch.require_no_network()
    require_topo(topo, parsed.call, str(parsed.name), source, file)
    return read_topo(
        topo,
        str(parsed.name),
        file,
        _definition(topo, file),
        places=watch.places(topo),
        bandwidth_bps=bandwidth_bps,
    )


def parse_spec(spec: str) -> TopologySpec:
    """Take a specification apart; arguments that look like numbers become numbers, as ``mn`` does it.

    Raises:
        InputError: it has another form.

    >>> parse_spec("topologies/dumbbell.py:dumbbell,4,bottleneck=50").call
    'dumbbell(4, bottleneck=50)'
    """
    found = _SPEC.fullmatch(spec)
    if found is None or (found["suffix"] != "py" and found["rest"] is not None):
        raise InputError(f"topology {spec!r}; expected {_FORMS}")
    file = Path(found["file"])
    if not found["rest"]:
        return TopologySpec(file)
    name, *arguments = found["rest"].split(",")
    args = tuple(_numeric(a) for a in arguments if "=" not in a)
    pairs = [a.split("=", 1) for a in arguments if "=" in a]
    return TopologySpec(file, name, args, {key: _numeric(value) for key, value in pairs})


def _numeric(text: str) -> Argument:
    for number in (int, float):
        with contextlib.suppress(ValueError):
            return number(text)
    return text


def _read_bytes(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{file}: {error.strerror}; expected {_FORMS}") from None
    if len(data) > MAX_FILE_BYTES:
        raise InputError(f"{file} has more than {MAX_FILE_BYTES >> 20} MiB; expected a file of at most that")
    return data


def _read(file: Path) -> str:
    """A file's text: in UTF-8, or what its byte order mark tells (Unicode 15, §23.8)."""
    data = _read_bytes(file)
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return io.TextIOWrapper(io.BytesIO(data), "utf-16" if utf16 else "utf-8-sig").read()
    except UnicodeDecodeError as error:
        raise InputError(f"{file}: {error}; expected UTF-8 text") from None


def _load_json(file: Path, bandwidth_bps: float | None) -> Network:
    # Pydantic takes a tenth of a second to import, and Python files do without it.
    from fairslice.topology.nodelink import from_json

    text = _read(file)
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        location = Location(str(file), error.lineno, error.colno)
        raise InputError([Fault(f"not JSON: {error.msg}", location)]) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{file}: {error}; expected a network file") from None
    places = find_places(text, str(file))
    if places.repeated:
        faults = [
            Fault(f"key {path[-1]!r} is there twice; expected it once", at) for path, at in places.repeated
        ]
        raise InputError(faults)
    return from_json(data, str(file), places.locate, bandwidth_bps=bandwidth_bps)


def _load_graph(file: Path, bandwidth_bps: float | None, options: NetworkOptions) -> Network:
    """A file of nodes and cables; its root element tells which kind it is."""
    from fairslice.files.xml_tree import parse_xml
    from fairslice.topology.graphml import read_graphml, written_by_networkx
    from fairslice.topology.graphs import to_network
    from fairslice.topology.nodelink import from_json
    from fairslice.topology.sndlib import read_sndlib

    data = _read_bytes(file)
    root = parse_xml(data, str(file))
    faults = Faults(str(file))
    if root.name == "graphml":
        graph = read_graphml(root, data, str(file))
        if (own := written_by_networkx(root, data, str(file))) is not None:
            _refuse_options_of_graphs(file, options)
            return from_json(own, str(file), bandwidth_bps=bandwidth_bps)
    elif root.name == "network":
        graph = read_sndlib(root, str(file), faults)
    else:
        message = f"the root element is <{root.name}>; expected <graphml>, or <network> of SNDlib"
        raise InputError([Fault(message, root.location)])
    return to_network(
        graph,
        faults,
        hosts_per_switch=options.hosts_per_switch or 1,
        merge_parallel=options.parallel_cables != "refuse",
        largest_part=options.largest_part,
        bandwidth_bps=bandwidth_bps,
    )


def _refuse_options_of_graphs(file: Path, options: NetworkOptions) -> None:
    given = {
        "--hosts-per-switch": options.hosts_per_switch,
        "--parallel-cables": options.parallel_cables,
        "--largest-part": options.largest_part or None,
    }
    faults = [
        Fault(f"{option} is for GraphML and SNDlib files; {file} tells its hosts and cables itself")
        for option, value in given.items()
        if value is not None
    ]
    if faults:
        raise InputError(faults)


def _choose(spec: TopologySpec, source: str) -> tuple[TopologySpec, Callable[..., Any]]:
    """Run a topology file and find the topology in it that a specification names."""
    # As mn does it: no __file__, no __name__.
    namespace: dict[str, Any] = {}
    try:
        with contextlib.redirect_stdout(sys.stderr):
            exec(compile(source, str(spec.file), "exec"), namespace)
    except (Exception, SystemExit) as error:
        # Where Mininet is there, and a module or a name of it is not, the file is wrong.
        if isinstance(error, ModuleNotFoundError) and error.name == "mininet":
            raise MachineError(
                f"{spec.file} needs Mininet, which {sys.executable} can't import ({error});"
                f" {mininet_cure()}; or name a network file (.json), which needs none"
            ) from error
        raise _failed(error, spec.file, "the file can't be run") from error
    topos = namespace.get("topos")
    if not isinstance(topos, Mapping) or not topos:
        expected = "expected topos = {'name': Class} at its end"
        raise InputError(
            f"{spec.file}: " + ("no topos" if topos is None else f"topos is {topos!r}") + f"; {expected}"
        )
    names = ", ".join(str(name) for name in topos)
    name = spec.name
    if name is None and len(topos) == 1:
        name = str(next(iter(topos)))
    if name is None:
        raise InputError(
            f"{spec.file} has several topologies; expected one of {names}, as in {spec.file}:NAME"
        )
    if name not in topos:
        close = get_close_matches(name, [str(known) for known in topos], n=1)
        hint = f"did you mean {close[0]}?" if close else f"expected one of {names}"
        raise InputError(f"{spec.file}: no topology is named {name!r}; {hint}")
    make = require_maker(topos[name], name, source, str(spec.file))
    return TopologySpec(spec.file, name, spec.args, spec.kwargs), make


def _build(spec: TopologySpec, make: Callable[..., Any]) -> Any:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            topo = make(*spec.args, **(spec.kwargs or {}))
    except (Exception, SystemExit) as error:
        expected = f"; expected {spec.name}{_parameters(make)}" if isinstance(error, TypeError) else ""
        raise _failed(error, spec.file, f"{spec.call} can't be built", expected) from error
    return topo


def _failed(error: BaseException, file: Path, what: str, expected: str = "") -> InputError:
    """An error of a topology file, at the innermost line of that file which it passed."""
    # A ValueError is how a topology refuses an argument: its text says what is wrong.
    told = type(error) is ValueError or isinstance(error, NoNodeError)
    kind = "" if told else f"{type(error).__name__}: "
    text = f"{what}: {kind}{error}{expected}"
    if isinstance(error, SyntaxError) and error.filename == str(file):
        text = f"{what}: {error.msg}"
        return InputError([Fault(text, Location(str(file), error.lineno or 1, error.offset or 1))])
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file)]
    if not frames:
        return InputError(f"{file}: {text}")
    return InputError([Fault(text, Location(str(file), frames[-1].lineno or 1, (frames[-1].colno or 0) + 1))])


def _parameters(make: Callable[..., Any]) -> str:
    """What a topology is made with: the parameters of the ``build`` that Topo's own ``__init__`` calls."""
    if inspect.isclass(make) and hasattr(make, "build") and "__init__" not in vars(make):
        parameters = list(inspect.signature(make.build).parameters.values())[1:]
        return str(inspect.Signature(parameters))
    return str(inspect.signature(make))


def _definition(topo: object, file: str) -> Location | None:
    """Where the file tells how the Topo is built."""
    # A method that is hardly called anything else, such as ``buid``.
    close = get_close_matches("build", [n for n in vars(type(topo)) if n != "build"], n=1)
    for method in ("build", "__init__", *close):
        code = getattr(getattr(type(topo), method, None), "__code__", None)
        if code is not None and code.co_filename == file:
            return Location(file, code.co_firstlineno, 1)
    return None
