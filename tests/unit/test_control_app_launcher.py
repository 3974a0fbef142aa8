"""What the launcher settles before the controller runs."""

import subprocess
import sys

CODE = """
import socket
from fairslice.alloc import engine
from fairslice.control.app.launcher import Listen, serve
from fairslice.errors import MachineError

with socket.socket() as taken:
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    try:
        serve(None, None, None, Listen(taken.getsockname()[1], "127.0.0.1", 1))
    except MachineError:
        print(engine.account.may_compile)
"""


def test_a_controller_never_compiles() -> None:
    """Switches would wait for it for half a minute."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
