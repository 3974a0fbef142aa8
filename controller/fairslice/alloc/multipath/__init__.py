"""Flows over several paths: fixed splits, and free ones."""
