"""A pytest plugin: ``pytest -n 2 -p fairslice.testing.numba_cache`` gives workers a numba cache each.

numba's cache takes no lock. Of two processes that compile one function for different types at the same time,
one may leave its machine code under the other's name.
"""

import os
from pathlib import Path

_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["NUMBA_CACHE_DIR"] = str(Path(".pytest_cache", "numba", _worker).absolute())
