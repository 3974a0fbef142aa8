"""What vagrant/Vagrantfile and the README beside it say is so, as far as that shows without Vagrant."""

import importlib
import os
import re
import shlex
from pathlib import Path

import click
import pytest

from fairslice import cli
from fairslice.policy.load import check_policy
from fairslice.topology.load import load_network

ROOT = Path(__file__).parents[2]
VAGRANTFILE = (ROOT / "vagrant" / "Vagrantfile").read_text(encoding="utf-8")
README = (ROOT / "vagrant" / "README.md").read_text(encoding="utf-8")
(MESSAGE,) = re.findall(r"<<~MESSAGE\n(.*?)\n  MESSAGE\n", VAGRANTFILE, re.DOTALL)
# What is to be typed stands four spaces deeper than the text around it.
TYPED = [
    *re.findall(r"^ {8}(\S.*)", MESSAGE, re.MULTILINE),
    *re.findall(r"^ {4}(\S.*)", README, re.MULTILINE),
]


def constant(name: str) -> str:
    (value,) = re.findall(rf'^{name} = "([^"]*)"', VAGRANTFILE, re.MULTILINE)
    return str(value)


def test_the_box_is_debian_12_for_both_providers() -> None:
    assert constant("BOX") == "debian/bookworm64"
    assert "config.vm.box = BOX" in VAGRANTFILE
    assert set(re.findall(r'config\.vm\.provider "(\w+)"', VAGRANTFILE)) == {"virtualbox", "libvirt"}


def test_provisioning_is_the_bootstrap_of_the_copied_repository() -> None:
    assert constant("PROVISIONING") == "cd #{GUEST_DIRECTORY} && script/bootstrap"
    assert re.search(
        r'provision "bootstrap", type: "shell", inline: PROVISIONING$', VAGRANTFILE, re.MULTILINE
    )
    assert os.access(ROOT / "script" / "bootstrap", os.X_OK)
    # Root's, unless it says otherwise.
    assert "privileged" not in VAGRANTFILE


def test_neither_side_s_environment_reaches_the_other() -> None:
    assert re.search(
        r'synced_folder REPOSITORY, .* type: "rsync", rsync__exclude: EXCLUDED$', VAGRANTFILE, re.MULTILINE
    )
    assert 'EXCLUDED = File.readlines(File.join(REPOSITORY, ".gitignore")' in VAGRANTFILE
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".venv/", "/out/", "*.egg-info/"} <= set(ignored)
    # rsync reads these as git does; patterns with other meanings, and exceptions, it would misread.
    assert all(re.fullmatch(r"/?[\w.*-]+/?", line) for line in ignored if line)


def test_the_directory_of_the_message_is_the_one_copied_to() -> None:
    assert Path(constant("GUEST_DIRECTORY")).parent == Path("/home/vagrant")
    entered = {line.split()[1] for line in TYPED if line.startswith("cd ")}
    assert entered == {Path(constant("GUEST_DIRECTORY")).name}


def test_both_texts_say_what_to_type() -> None:
    for text in (MESSAGE, README):
        for command in (
            "vagrant ssh",
            "sudo script/demo",
            "sudo .venv/bin/fairslice run",
            "--datapath kernel",
        ):
            assert command in text


@pytest.mark.parametrize("line", sorted(set(TYPED)))
def test_what_is_told_to_be_typed_can_be(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = shlex.split(line)
    if words[0] in ("vagrant", "cd"):
        # Another test has the directory; of Vagrant's commands all are common ones.
        assert words[1] in {"up", "ssh", "rsync", "provision", "halt", "destroy", "fairslice"}
        return
    assert words[0] == "sudo"
    program, *arguments = words[1:]
    if program.startswith("script/"):
        assert os.access(program, os.X_OK)
        assert not arguments
        return
    assert program == ".venv/bin/fairslice"
    name, *arguments = arguments
    assert name in cli.COMMANDS
    command: click.Command = importlib.import_module(f"fairslice.cli.{name}").command
    # Refuses options that there are not, and files that do not exist.
    values = command.make_context(name, arguments).params
    network = load_network(str(values["topology"]))
    policy = values["policy"] or values["policy_option"]
    assert check_policy(Path(str(policy)), network.hosts)[1]
