"""Last messages of real machines, and the sentence that a user gets for each."""

import signal

import pytest

from fairslice.lab.vm.death import Death, explain

NOISE = "mmapper_init - find_iomem failed\nFailed to initialize ubd device 0 :Couldn't determine size\n"
PANIC = (
    "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b\n"
    "CPU: 0 PID: 1 Comm: init.sh Not tainted 6.1.176 #1 \nStack:\n 63ecbcd0 60029ebc\nCall Trace:\n"
    " [<60045fda>] ? um_set_signals+0x0/0x3e\nAborted\n"
)


def died(
    said: str = "",
    status: int | None = 1,
    *,
    came_up: bool = False,
    hung_for_s: float | None = None,
    has_library: bool = True,
) -> Death:
    return Death(said, status, came_up, hung_for_s, has_library, 1 << 30, "/a/python")


REGISTERS = f"{NOISE}userspace - ptrace set fp regs failed, errno = 14\n{PANIC}"
HALTED = f"{NOISE}reboot: System halted\n"
FILES = "modprobe: ERROR: could not insert 'tun': Too many open files\nfairslice vm: no modules; do this\n"
INIT = "Kernel panic - not syncing: Requested init /tmp/x/init.sh failed (error -{}).\n"


@pytest.mark.parametrize(
    ("death", "found", "fix"),
    [
        (
            died("Warning: tempdir /my dir is not on tmpfs\n"),
            "its memory can't be kept in /my dir",
            "set TMPDIR to a directory that can be written, with 1024 MiB of room",
        ),
        (
            died(REGISTERS, 134, has_library=False),
            "(it may have AMX), and the library",
            "`/a/python -m fairslice.lab.vm.registers`",
        ),
        (died(REGISTERS, 134), "could not write them (error 14)", "report it"),
        (
            died("ptrace: Operation not permitted\ncheck_ptrace : expected SIGSTOP, got status = 9\n"),
            "may not trace another here (ptrace)",
            "SYS_PTRACE",
        ),
        (
            died("Operation not permitted\n/dev/shm must be not mounted noexec\n"),
            "/dev/shm, where its memory is kept, is mounted noexec",
            "set TMPDIR to a directory that is not, with 1024 MiB of room",
        ),
        (
            died(
                "<3>Bus error - the host /dev/shm or /tmp mount likely just ran out of space\n" + PANIC, 134
            ),
            "no room for 1024 MiB",
            "set TMPDIR",
        ),
        (
            died("setup_physmem - mapping 1055883264 bytes of memory at 0x0 failed - errno = -12\n"),
            "may not have 1024 MiB of memory",
            "ulimit -v",
        ),
        (died("Too few physical memory! Needed=348127232, given=346120192\n"), "are too little", "--memory"),
        (died("Kernel panic - not syncing: Out of memory: no killable\n", 134), "are too little", "--memory"),
        (died(INIT.format(24), 134), "may not open enough files", "ulimit -n"),
        (died(INIT.format(13), 134), "boot script can't be run (error 13)", "TMPDIR"),
        (died(FILES, 0), "may not open enough files", "ulimit -n"),
        (
            died(f"{NOISE}fairslice vm: no overlay can be mounted; install it; again\n{PANIC}", 0),
            "no overlay can be mounted",
            "install it; again",
        ),
        (died(HALTED, 0, came_up=True), "halted from inside", "let the command end"),
        (died(NOISE + PANIC, 134), "gave up (Attempted to kill init! exitcode=0x0000000b)", "report it"),
        (died(NOISE, 143, hung_for_s=120.0), "did not come up within 120 s", "end what else runs"),
        (died("setpriv: failed to execute sh: Permission denied\n", None), "failed to execute sh", "setpriv"),
        (died("", None), "what starts it ended", "setpriv"),
        (died("sh: 1: linux.uml: not found\n", 127), "can't be run, and said 'sh: 1", "user-mode-linux"),
        (died("Killed\n", 128 + signal.SIGKILL), "it was killed (this machine may be out of", "dmesg"),
        (died("", 128 + signal.SIGXFSZ), "may not write files of 1024 MiB", "ulimit -f"),
        (died("", 128 + signal.SIGXCPU), "its processor time is used up", "ulimit -t"),
        (died("Segmentation fault\n", 128 + signal.SIGSEGV), "a signal ended it (SIGSEGV)", "report it"),
        (died("no room\n", 1), "ended with status 1, and said 'no room'", "report it"),
        (died("", 0), "ended with status 0", "report it"),
    ],
)
def test_a_sentence_for_each_death(death: Death, found: str, fix: str) -> None:
    sentence = explain(death)
    print(sentence)
    assert "\n" not in sentence
    said, _, advice = sentence.partition("; ")
    assert found in said, "doctor shows what comes before the first semicolon as found"
    assert fix in advice
    when = "died while its command ran" if death.came_up else "did not boot"
    assert sentence.startswith(f"the virtual machine {when}: ")


def test_what_the_boot_script_complains_of_has_a_remedy() -> None:
    """Each ``fail`` of init.sh is found, reason and remedy apart."""
    import re
    from pathlib import Path

    from fairslice.lab.vm import death

    script = Path(death.__file__).with_name("init.sh").read_text().replace("$again", "install it again")
    complaints = re.findall(r'\bfail "(.+)"', script)
    assert len(complaints) > 5
    for complaint in complaints:
        reason, _, remedy = complaint.rpartition("; ")
        assert explain(died(f"fairslice vm: {complaint}\nreboot: System halted\n", 0)) == (
            f"the virtual machine did not boot: {reason}; {remedy}"
        )
