"""A pytest plugin: ``pytest -p fairslice.testing.without_numba`` runs as if numba were not installed."""

import sys

# What stands as None can't be imported, nor be found.
sys.modules["numba"] = None  # type: ignore[assignment]
