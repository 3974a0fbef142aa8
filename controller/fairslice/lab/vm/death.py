"""Why a virtual machine died, and what to do: from its last messages. Pure."""

import re
import signal
from dataclasses import dataclass

_COMPILE = "run script/bootstrap, or install the package tcc and run `{python} -m fairslice.lab.vm.registers`"
_MIB = 1 << 20
_NOT_EXECUTED = (126, 127)
"""A shell's statuses for programs that can't be run, or aren't there."""

# What is said, what it means, and what mends it; the first that is found counts. {memory}: what it was given.
_CAUSES: tuple[tuple[str, str, str], ...] = (
    (
        r"Too many open files|Requested init \S+ failed \(error -24\)",
        "this process may not open enough files",
        "raise the limit (ulimit -n)",
    ),
    (
        r"^ptrace: |^check_ptrace|^start_ptraced_child|^check_sysemu",
        "one process may not trace another here (ptrace), which user-mode Linux does with all of its own",
        "in a container allow it (--cap-add SYS_PTRACE --security-opt seccomp=unconfined); else set "
        "/proc/sys/kernel/yama/ptrace_scope to 0 or 1",
    ),
    (
        r"^(?P<place>\S+) must be not mounted noexec",
        "{place}, where its memory is kept, is mounted noexec",
        "set TMPDIR to a directory that is not, with {memory} of room",
    ),
    (
        r"likely just ran out of space|No space left on device",
        "the file system that its memory is kept in (TMPDIR, or /dev/shm) has no room for {memory}",
        "set TMPDIR to a directory with more, or give it less memory (fairslice vm --memory)",
    ),
    (
        r"setup_physmem - mapping|Cannot allocate memory",
        "this process may not have {memory} of memory",
        "lift the limit (ulimit -v unlimited), or give it less (fairslice vm --memory)",
    ),
    (
        r"Too few physical memory|panic.*memory|panic.*: Failed to allocate|memblock_alloc",
        "{memory} of memory are too little",
        "give it more (fairslice vm --memory)",
    ),
    (
        r"^fairslice vm: (?P<found>.+); (?P<fix>.+)",
        "{found}",
        "{fix}",
    ),
    (
        r"Requested init \S+ failed \(error -(?P<number>\d+)\)",
        "its boot script can't be run (error {number})",
        "set TMPDIR to a directory whose files can",
    ),
    (
        r"reboot: (?:System halted|Restarting system|Power down)",
        "the machine was halted from inside",
        "let the command end by itself",
    ),
    (
        r"Kernel panic - not syncing: (?P<found>.+)",
        "its kernel gave up ({found})",
        "report it",
    ),
)
_UNWRITABLE = re.compile(r"Warning: tempdir (.+) is not on tmpfs")
"""All that it says where it may not make a file: at other times more follows."""
_REGISTERS = re.compile(r"ptrace set fp regs failed, errno = (\d+)")
_SIGNALS: dict[int, tuple[str, str]] = {
    signal.SIGKILL: (
        "it was killed (this machine may be out of memory, or a limit of processor time reached)",
        "look into the kernel's messages (dmesg) and at `ulimit -t`",
    ),
    signal.SIGXFSZ: ("this process may not write files of {memory}", "lift the limit (ulimit -f unlimited)"),
    signal.SIGXCPU: ("its processor time is used up", "lift the limit (ulimit -t unlimited)"),
}


@dataclass(frozen=True, slots=True)
class Death:
    """A machine that ended without its command's status.

    ``said`` is what its console showed.
    ``status`` is the kernel's exit status as a shell tells it (128+n for a signal n), None if not known.
    ``hung_for_s``: how long it was waited for before it was ended; None if it ended by itself.
    ``has_library``: what :mod:`fairslice.lab.vm.registers` compiles was there.
    ``python``: the interpreter that has fairslice.
    """

    said: str
    status: int | None
    came_up: bool
    hung_for_s: float | None
    has_library: bool
    memory_bytes: int
    python: str


def explain(death: Death) -> str:
    """One sentence: what happened and why, and after the last semicolon what to do."""
    found, fix = _cause(death)
    when = "died while its command ran" if death.came_up else "did not boot"
    return f"the virtual machine {when}: {found}; {fix}"


def _cause(death: Death) -> tuple[str, str]:
    memory = f"{death.memory_bytes // _MIB} MiB"
    if refused := _REGISTERS.search(death.said):
        found = "user-mode Linux does not know all registers of this processor (it may have AMX)"
        if death.has_library:
            return f"{found}, and could not write them (error {refused[1]})", "report it"
        return f"{found}, and the library that completes them has not been compiled", _COMPILE.format(
            python=death.python
        )
    for pattern, found, fix in _CAUSES:
        if match := re.search(pattern, death.said, re.MULTILINE):
            named = {"memory": memory, **match.groupdict()}
            return found.format(**named), fix.format(**named)
    if death.hung_for_s is not None:
        found = f"it did not come up within {death.hung_for_s:g} s"
        return found, "end what else runs here, and try again"
    lines = death.said.strip().splitlines()
    said = f", and said {lines[-1]!r}" if lines else ""
    if death.status is None:
        return f"what starts it ended{said}", "see whether setpriv, setsid and sh work here"
    if death.status in _NOT_EXECUTED:
        return f"linux.uml can't be run{said}", "install the package user-mode-linux again"
    number = death.status - 128
    if number in _SIGNALS:
        found, fix = _SIGNALS[number]
        return found.format(memory=memory), fix
    if number in set(signal.Signals):
        return f"a signal ended it ({signal.Signals(number).name}){said}", "report it"
    if place := _UNWRITABLE.fullmatch(death.said.strip()):
        found = f"its memory can't be kept in {place[1]}"
        return found, f"set TMPDIR to a directory that can be written, with {memory} of room"
    return f"it ended with status {death.status}{said}", "report it"
