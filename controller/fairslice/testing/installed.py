"""Try an installation: ``python -m fairslice.testing.installed [EXTRA...]``, with the extras that it has.

All modules that these extras promise are imported, and commands are called: those that can work do, and the
others say which extra they need. Nothing is needed but fairslice. Exits with 1 if there are faults.
"""

import importlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import fairslice
from fairslice.cli.extras import EXTRAS
from fairslice.errors import MachineError
from fairslice.topology.network import Host, Link, Network, Switch
from fairslice.topology.nodelink import to_json

BASE = frozenset(
    f"fairslice.{room}"
    for room in (
        *(
            "alloc",
            "api.allocation",
            "api.counters",
            "api.network",
            "api.openapi",
            "api.routes",
            "api.status",
        ),
        *("cli", "errors", "files", "lab.doctor"),
        *("lab.vm", "linux", "measure", "models", "naming", "policy", "slicing", "topology", "units"),
    )
)
"""The rooms, and parts of rooms, that an installation without extras has whole."""
_LIMIT_S = 300.0
_PROBLEM = {"links": {"A": 10}, "flows": [{"id": "f", "path": ["A"]}]}
_POLICY = "version: 1\nslices: {a: {flows: [{from: h1, to: h2}]}}\n"


def in_base(module: str) -> bool:
    """Whether an installation without extras has it."""
    return any(module == room or module.startswith(f"{room}.") for room in BASE)


def import_faults(extras: Sequence[str]) -> Iterator[str]:
    """Modules that can't be imported, though all is there that they may need."""
    there = {package for extra in extras for package in EXTRAS[extra]}
    absent = {package for packages in EXTRAS.values() for package in packages} - there
    root = Path(fairslice.__file__).parent
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in ("testing", "__main__"):
            continue
        name = ".".join(["fairslice", *(part for part in parts if part != "__init__")])
        try:
            importlib.import_module(name)
        except ImportError as error:
            if in_base(name) or (error.name or "").partition(".")[0] not in absent:
                yield f"{name} can't be imported: {error}"
        except MachineError as error:
            # Mininet comes with the system, not with fairslice.
            if "Mininet" not in str(error):
                yield f"{name} can't be imported: {error}"


def command_faults(extras: Sequence[str], python: Sequence[str], directory: Path) -> Iterator[str]:
    """Commands that do not do what they should; ``python`` begins their command lines."""
    network, policy, problem, picture = (
        str(directory / name) for name in ("network.json", "policy.yaml", "problem.json", "picture.svg")
    )
    Path(network).write_text(json.dumps(to_json(_network())))
    Path(policy).write_text(_POLICY)
    Path(problem).write_text(json.dumps(_PROBLEM))
    explain = ("explain", policy, "--topology", network)
    run = ("run", policy, "--topology", network)
    nowhere = ("--controller", "http://127.0.0.1:1")
    cases: list[tuple[tuple[str, ...], int, str]] = [
        (("--help",), 0, "Commands:"),
        (("allocate", problem), 0, '"certified": true'),
        (("check", policy, "--topology", network), 0, "ok, 1 slice"),
        (("plan", policy, "--topology", network), 0, "h1"),
        (explain, 0, "h1"),
        (("topology", network), 0, "h1"),
        (("run", "--help"), 0, "Usage:"),
        (("vm", "--help"), 0, "Usage:"),
    ]
    if "report" in extras:
        cases.append(((*explain, "--picture", picture), 0, "Picture:"))
    else:
        cases.append(((*explain, "--picture", picture), 6, _needs("--picture", "report")))
        cases.append(
            (("allocate", problem, "--explain", "--picture", picture), 6, _needs("--picture", "report"))
        )
    if _has_controller(extras):
        cases.append((("status", *nowhere), 6, "no controller answers"))
        if "report" not in extras:
            cases.append((run, 6, _needs("fairslice run", "report")))
    else:
        needing: tuple[tuple[str, ...], ...] = (
            run,
            ("agent", "--once"),
            ("apply", policy, *nowhere),
            ("controller", "--ovsdb", "none"),
            ("measure", *nowhere),
            ("status", *nowhere),
        )
        for words in needing:
            cases.append((words, 6, _needs(f"fairslice {words[0]}", "controller")))
    for words, status, said in cases:
        done = subprocess.run(
            [*python, "fairslice", *words], capture_output=True, text=True, check=False, timeout=_LIMIT_S
        )
        output = done.stdout + done.stderr
        one_sentence = status == 0 or len(done.stderr.splitlines()) == 1
        if done.returncode != status or said not in output or not one_sentence:
            yield (
                f"fairslice {' '.join(words)}: found status {done.returncode} and {output!r}; expected"
                f" {status} and {said!r}"
            )
    if "report" in extras and not Path(picture).read_text().startswith("<svg"):
        yield "fairslice explain --picture: the picture is not SVG"
    if _has_controller(extras):
        framework = "ryu" if "controller" in extras else "os-ken"
        yield from _controller_faults(python, network, policy, framework)


def _has_controller(extras: Sequence[str]) -> bool:
    return "controller" in extras or "os-ken" in extras


def _controller_faults(python: Sequence[str], network: str, policy: str, framework: str) -> Iterator[str]:
    """Start the controller and ask it where it stands; no switch is there, so nothing can be in force."""
    openflow, rest = _free_port(), _free_port()
    words = ("controller", policy, "--topology", network, "--ovsdb", "none")
    ports = ("--openflow-port", str(openflow), "--rest-port", str(rest))
    ask = [*python, "fairslice", "status", "--json", "--controller", f"http://127.0.0.1:{rest}"]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen([*python, "fairslice", *words, *ports], stdout=log, stderr=log)
        try:
            deadline = time.monotonic() + _LIMIT_S
            answer = ""
            while not answer and process.poll() is None and time.monotonic() < deadline:
                answer = subprocess.run(ask, capture_output=True, text=True, check=False).stdout
        finally:
            process.terminate()
            process.wait(_LIMIT_S)
        log.seek(0)
        if not answer or not json.loads(answer)["framework"].startswith(framework):
            yield f"fairslice {' '.join(words)}: it answered {answer!r}; it wrote {log.read()}"


def compile_faults() -> Iterator[str]:
    """Whether the extra ``fast`` compiles the engine, and this answers."""
    from fairslice.alloc.engine import load_compiled

    if not load_compiled():
        yield "the engine is not compiled, though numba should be there"


def _needs(what: str, extra: str) -> str:
    return f'{what} needs the extra "{extra}": pip install'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _network() -> Network:
    """Two hosts at one switch."""
    hosts = {f"h{n}": Host(f"h{n}", f"00:00:00:00:00:{n:02x}", f"10.0.0.{n}", "s1", n) for n in (1, 2)}
    links = {}
    for n, name in enumerate(hosts, 1):
        links[name, "s1"] = Link(name, "s1", 10e6, 0)
        links["s1", name] = Link("s1", name, 10e6, n)
    return Network({"s1": Switch("s1", 1)}, hosts, links, "two")


def main(extras: Sequence[str]) -> int:
    """Try all of it and tell the faults."""
    python = [sys.executable, "-m"]
    if blocked := _blocked():
        # What stands as not installed here does so in the commands that are called, too.
        python += ["fairslice.testing.without_extras", ",".join(blocked)]
    with tempfile.TemporaryDirectory() as directory:
        faults = [*import_faults(extras), *command_faults(extras, python, Path(directory))]
    if "fast" in extras:
        faults += compile_faults()
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _blocked() -> list[str]:
    """Extras that :mod:`fairslice.testing.without_extras` blocks in this process."""
    return [
        extra
        for extra, packages in EXTRAS.items()
        if any(package in sys.modules and sys.modules[package] is None for package in packages)
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
