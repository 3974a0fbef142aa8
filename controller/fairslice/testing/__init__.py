"""Fakes and strategies for tests of fairslice and of what is built on it."""
