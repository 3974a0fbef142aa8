"""What the base installation promises needs no extra, and whatever needs one says so before it works."""

import configparser
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from fairslice.cli.extras import EXTRAS, INSTEAD, refusal_of, require
from fairslice.errors import MachineError

ROOT = Path(__file__).parents[2]
SETUP = ROOT / "setup.cfg"


def test_the_table_is_that_of_setup_cfg() -> None:
    setup = configparser.ConfigParser()
    setup.read(SETUP, encoding="utf-8")
    extras = {
        name: {canonicalize_name(Requirement(line).name) for line in text.split("\n") if line}
        for name, text in setup["options.extras_require"].items()
        if name not in ("all", "test", "lint")
    }
    distributions = metadata.packages_distributions()
    assert {
        name: {canonicalize_name(distributions[package][0]) for package in packages}
        for name, packages in EXTRAS.items()
    } == extras


def test_the_readme_says_how_each_is_installed() -> None:
    """script/test-install runs what stands there."""
    told = re.findall(r"^\| `pip install (.*?)` \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)
    assert sorted(told) == sorted([".", *(f"'.[{extra}]'" for extra in (*EXTRAS, "all"))])


@pytest.mark.parametrize("there", [[], ["controller"], ["os-ken"], ["report"]], ids=" ".join)
def test_an_installation_does_what_its_extras_promise(there: list[str]) -> None:
    absent = ",".join(sorted(EXTRAS.keys() - set(there)))
    blocking = [sys.executable, "-m", "fairslice.testing.without_extras", absent]
    done = subprocess.run(
        [*blocking, "fairslice.testing.installed", *there],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_promised_and_not_there_is_told() -> None:
    blocking = [sys.executable, "-m", "fairslice.testing.without_extras", "controller,fast,os-ken,report"]
    done = subprocess.run(
        [*blocking, "fairslice.testing.installed", "controller"],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 1
    assert "fairslice.control.app.launcher can't be imported" in done.stderr
    assert "fairslice status" in done.stderr


@pytest.mark.parametrize("package", sorted({package for some in EXTRAS.values() for package in some}))
def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    extra = next(name for name, packages in EXTRAS.items() if package in packages)
    error = ModuleNotFoundError("none", name=f"{package}.inner")
    if sys.modules.get(package, package) is None:  # These tests may run as if it were not installed.
        monkeypatch.delitem(sys.modules, package)
    # It is there, so its own fault is not taken for want of an extra.
    assert refusal_of(error, "fairslice run") is None
    require(extra, "fairslice run")
    monkeypatch.setitem(sys.modules, package, None)
    if extra in INSTEAD:
        if package not in EXTRAS[INSTEAD[extra]]:
            require(extra, "fairslice run")
        monkeypatch.setitem(sys.modules, "os_ken", None)
    refusal = refusal_of(error, "fairslice run")
    assert str(refusal).startswith(f'fairslice run needs the extra "{extra}": pip install')
    with pytest.raises(MachineError, match=f'needs the extra "{extra}"') as raised:
        require(extra, "fairslice run")
    assert (raised.value.exit_status, "\n" in str(raised.value)) == (6, False)


@pytest.mark.parametrize("name", ["fairslice.gone", "yaml", None])
def test_other_imports_that_fail_are_no_matter_of_extras(name: str | None) -> None:
    assert refusal_of(ImportError("none", name=name), "fairslice run") is None
