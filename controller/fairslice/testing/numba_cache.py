"""A pytest plugin: ``pytest -n 2 -p fairslice.testing.numba_cache`` gives workers a numba cache each.

So workers neither wait for each other nor load what an earlier run of other tests has left. And the work of
each test is counted by itself, or the engine would be compiled, and would say so, in the midst of some test.
"""

import os
from pathlib import Path

import pytest

_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(".pytest_cache", "numba", _worker).absolute())


@pytest.fixture(autouse=True)
def _work_is_counted_anew() -> None:
    from fairslice.alloc.engine import account

    account.spent_s = 0.0
