"""The lock files cover setup.cfg and all extras, have hashes and no address, and are what is installed."""

import configparser
import re
import sysconfig
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
LOCKS = ROOT / "requirements"
NAMES = ("build", "all", "dev", "update")
INSTALLING = ("setup.cfg", "pyproject.toml", "script/bootstrap", "script/update-dependencies")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
ADDRESS = re.compile(r"://|--(?:extra-)?index-url|--find-links|^-[if]\b| @ ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Locked:
    version: Version
    hashes: tuple[str, ...]


Lock = Mapping[str, Locked]


def read_lock(text: str) -> dict[str, Locked]:
    """Each entry is ``name==version`` and then hashes, on one continued line; anything else is refused."""
    lock: dict[str, Locked] = {}
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pin, *hashes = line.split()
        wanted = Requirement(pin)
        (specifier,) = wanted.specifier
        assert specifier.operator == "==", line
        assert "*" not in specifier.version, line
        assert (wanted.extras, wanted.marker, wanted.url) == (set(), None, None), line
        assert all(map(HASH.fullmatch, hashes)), line
        name = canonicalize_name(wanted.name)
        assert name not in lock, line
        lock[name] = Locked(Version(specifier.version), tuple(hashes))
    return lock


def needed(
    requirements: Iterable[str], requires: Callable[[str], Iterable[str]]
) -> list[tuple[str, Requirement]]:
    """All requirements, those of requirements too, each with what asks for it.

    Args:
        requirements: what is asked for first.
        requires: requirements of an installed package by name, markers and extras included.
    """
    found: list[tuple[str, Requirement]] = []
    seen = set()
    waiting = [("the project", Requirement(text)) for text in requirements]
    while waiting:
        asking, requirement = waiting.pop()
        found.append((asking, requirement))
        name = canonicalize_name(requirement.name)
        for extra in ("", *sorted(requirement.extras)):
            if (name, extra) not in seen:
                seen.add((name, extra))
                for text in requires(name):
                    further = Requirement(text)
                    marker = further.marker
                    if marker.evaluate({"extra": extra}) if marker else not extra:
                        waiting.append((name, further))
    return found


def uncovered(lock: Lock, wanted: Iterable[tuple[str, Requirement]]) -> list[str]:
    """What a lock lacks, holds outside of a range, or holds though nothing needs it."""
    faults = set()
    unneeded = set(lock)
    for asking, requirement in wanted:
        name = canonicalize_name(requirement.name)
        unneeded.discard(name)
        if name not in lock:
            faults.add(f"{name}: not locked; {asking} needs {requirement}")
        elif not requirement.specifier.contains(lock[name].version, prereleases=True):
            faults.add(f"{name}: locked {lock[name].version}; {asking} needs {requirement}")
    return sorted(faults | {f"{name}: locked, but nothing needs it" for name in unneeded})


def differing(lock: Lock, installed: Mapping[str, str]) -> list[str]:
    """Where what is installed, by name, is something else than what is locked."""
    faults = []
    for name in sorted({*lock, *installed}):
        if name not in installed:
            faults.append(f"{name}: locked {lock[name].version}, not installed")
        elif name not in lock:
            faults.append(f"{name}: installed {installed[name]}, not locked")
        elif lock[name].version != Version(installed[name]):
            faults.append(f"{name}: locked {lock[name].version}, installed {installed[name]}")
    return faults


def ranges(file: Path) -> list[str]:
    """Requirements of a file with one a line."""
    lines = (line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def project(*, development: bool) -> list[str]:
    """What setup.cfg asks for with the extra ``all``, or with all extras, and what installs it."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extras = dict(setup["options.extras_require"])
    everything = Requirement(extras.pop("all").strip())
    assert everything.name == setup["metadata"]["name"]
    # One framework is enough.
    assert everything.extras == extras.keys() - {"test", "lint", "os-ken"}
    chosen = extras.keys() if development else everything.extras
    texts = [setup["options"]["install_requires"], *(extras[name] for name in sorted(chosen))]
    return [*"\n".join(texts).split("\n"), *ranges(LOCKS / "build.in")]


def asked_for(name: str) -> list[str]:
    if name in ("build", "update"):
        return ranges(LOCKS / f"{name}.in")
    return [text for text in project(development=name == "dev") if text]


def installed_requires(name: str) -> list[str]:
    try:
        return metadata.distribution(name).requires or []
    except metadata.PackageNotFoundError:
        return []


def environment() -> dict[str, str]:
    """What the virtual environment itself holds; Debian's packages, which it sees, are none of that."""
    directories = sorted({sysconfig.get_path(kind) for kind in ("purelib", "platlib")})
    return {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in metadata.distributions(path=directories)
    }


TEXTS = {name: (LOCKS / f"{name}.txt").read_text(encoding="utf-8") for name in NAMES}


def test_every_lock_file_is_known_here() -> None:
    assert {path.name for path in LOCKS.iterdir()} == {
        *(f"{name}.txt" for name in NAMES),
        *("build.in", "update.in"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_version_is_exact_and_has_hashes(name: str) -> None:
    lock = read_lock(TEXTS[name])
    assert lock
    assert [entry for entry, locked in lock.items() if not locked.hashes] == []


@pytest.mark.parametrize(
    "path",
    [*sorted(LOCKS.iterdir()), *(ROOT / name for name in INSTALLING)],
    ids=lambda path: path.name,
)
def test_no_file_has_an_address(path: Path) -> None:
    assert ADDRESS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", ["build", "all", "dev"])
def test_the_lock_covers_what_is_asked_for_and_what_that_needs(name: str) -> None:
    wanted = needed(asked_for(name), installed_requires)
    assert uncovered(read_lock(TEXTS[name]), wanted) == []


def test_the_tool_that_locks_is_locked() -> None:
    # It is installed nowhere but in an environment of its own, and needs nothing.
    assert uncovered(read_lock(TEXTS["update"]), needed(asked_for("update"), lambda _name: [])) == []


def test_the_lock_files_agree() -> None:
    build, everything, dev = (read_lock(TEXTS[name]) for name in ("build", "all", "dev"))
    assert build.items() <= everything.items() <= dev.items()


def test_what_is_installed_is_what_is_locked() -> None:
    installed = environment()
    del installed["fairslice"]
    assert differing(read_lock(TEXTS["dev"]), installed) == [], (
        "script/bootstrap --dev installs what is locked"
    )


def test_nothing_stands_in_for_what_is_locked() -> None:
    """What Python finds first is the environment's, not a package of Debian's or of the user's."""
    found = {name: metadata.version(name) for name in read_lock(TEXTS["dev"])}
    assert differing(read_lock(TEXTS["dev"]), found) == []


def as_locked() -> dict[str, str]:
    """What is installed when all is well."""
    return {name: str(locked.version) for name, locked in read_lock(TEXTS["dev"]).items()}


def doctored(name: str, version: str) -> dict[str, Locked]:
    text, count = re.subn(rf"^{name}==\S+", f"{name}=={version}", TEXTS["dev"], flags=re.MULTILINE)
    assert count == 1
    return read_lock(text)


@pytest.mark.parametrize("name", ["ruff", "mypy", "numpy", "ruamel-yaml", "setuptools", "pip"])
def test_a_version_one_off_is_told_with_both(name: str) -> None:
    installed = as_locked()
    was = read_lock(TEXTS["dev"])[name].version
    off = f"{was.major}.{was.minor}.{was.micro + 1}"
    assert differing(doctored(name, off), installed) == [f"{name}: locked {off}, installed {was}"]


def test_a_version_outside_of_its_range_is_told() -> None:
    wanted = needed(asked_for("dev"), installed_requires)
    faults = uncovered(doctored("numpy", "1.26.4"), wanted)
    assert "numpy: locked 1.26.4; the project needs numpy>=2.0" in faults
    faults = uncovered(doctored("setuptools", "67.0"), wanted)
    assert "setuptools: locked 67.0; the project needs setuptools<67,>=64" in faults


@pytest.mark.parametrize(("name", "asking"), [("certifi", "httpx"), ("numba", "the project"), ("six", "ryu")])
def test_what_is_not_locked_is_told_with_who_needs_it(name: str, asking: str) -> None:
    lock = read_lock(TEXTS["dev"])
    del lock[name]
    faults = uncovered(lock, needed(asked_for("dev"), installed_requires))
    assert any(fault.startswith(f"{name}: not locked; {asking} needs {name}") for fault in faults)
    assert all(fault.startswith(f"{name}: ") for fault in faults)


def test_what_is_too_much_is_told() -> None:
    lock = {**read_lock(TEXTS["dev"]), "leftover": Locked(Version("1.0"), ())}
    wanted = needed(asked_for("dev"), installed_requires)
    assert uncovered(lock, wanted) == ["leftover: locked, but nothing needs it"]
    installed = as_locked()
    installed["by-hand"] = "2.0"
    assert differing(lock, installed) == [
        "by-hand: installed 2.0, not locked",
        "leftover: locked 1.0, not installed",
    ]


@pytest.mark.parametrize(
    "line",
    [
        "ruff>=0.6",
        "ruff==0.6.*",
        "ruff @ file:///somewhere/ruff.whl",
        "--index-url=somewhere ruff==0.6",
        "ruff==0.6 --hash=md5:0123456789abcdef0123456789abcdef",
        "ruff==0.6\nruff==0.7",
    ],
)
def test_a_lock_is_exact_or_refused(line: str) -> None:
    with pytest.raises((AssertionError, ValueError)):
        read_lock(line)


@pytest.mark.parametrize(
    "text", ["--index-url x", "-i x", "--extra-index-url x", "--find-links x", "a @ b", "https://x"]
)
def test_an_address_is_seen(text: str) -> None:
    assert ADDRESS.search(f"# made\n{text}\n")


def test_extras_of_requirements_are_followed() -> None:
    requires = {"a": ["b[fast]>=1", 'c; python_version < "3"'], "b": ["d", 'e>2; extra == "fast"']}
    found = needed(["a"], lambda name: requires.get(name, []))
    assert [(asking, str(requirement)) for asking, requirement in found] == [
        ("the project", "a"),
        ("a", "b[fast]>=1"),
        ("b", 'e>2; extra == "fast"'),
        ("b", "d"),
    ]


def test_both_scripts_build_the_same_from_source() -> None:
    """Nothing else may: what a build needs would not be locked, nor be there on every machine."""
    update, bootstrap = (
        (ROOT / "script" / name).read_text(encoding="utf-8") for name in ("update-dependencies", "bootstrap")
    )
    built = re.findall(r"--no-binary (\w+)", update)
    assert built == ["ovs", "ryu"]
    assert re.findall(r"--no-binary=(\S+)", bootstrap) == [",".join(built)]
