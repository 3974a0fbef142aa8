"""What mends a Python without Mininet, for each way to have installed fairslice."""

from pathlib import Path

import pytest

from fairslice.linux.command import administrators_path
from fairslice.linux.mininet_package import mininet_cure

DEBIANS, OTHER = Path("/usr"), Path("/usr/local")


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    made = tmp_path / ".venv"
    made.mkdir()
    return made


def configure(environment: Path, sees_the_system: bool) -> None:
    text = f"home = /usr/bin\ninclude-system-site-packages = {str(sees_the_system).lower()}\nversion = 3.11\n"
    (environment / "pyvenv.cfg").write_text(text)


@pytest.mark.parametrize("base", [DEBIANS, OTHER])
@pytest.mark.parametrize("sees", [True, False])
def test_of_a_clone(environment: Path, base: Path, sees: bool) -> None:
    configure(environment, sees)
    script = environment.parent / "script"
    script.mkdir()
    (script / "bootstrap").touch()
    assert mininet_cure(environment, base) == "run script/bootstrap, which installs it"


@pytest.mark.parametrize(
    ("base", "sees", "anew"),
    [(DEBIANS, True, False), (DEBIANS, False, True), (OTHER, True, True), (OTHER, False, True)],
)
def test_of_an_environment_of_ones_own(environment: Path, base: Path, sees: bool, anew: bool) -> None:
    configure(environment, sees)
    cure = mininet_cure(environment, base)
    assert "apt install mininet" in cure
    assert "script/bootstrap" not in cure
    assert ("/usr/bin/python3 -m venv --system-site-packages" in cure) == anew


@pytest.mark.parametrize(("base", "anew"), [(DEBIANS, False), (OTHER, True)])
def test_without_an_environment(base: Path, anew: bool) -> None:
    cure = mininet_cure(base, base)
    assert "apt install mininet" in cure
    assert ("--system-site-packages" in cure) == anew


def test_an_administrator_s_tools_are_looked_for_behind_the_others() -> None:
    assert administrators_path("/bin:/usr/sbin") == "/bin:/usr/sbin:/usr/local/sbin:/sbin"
    assert administrators_path(administrators_path("/bin")) == administrators_path("/bin")
