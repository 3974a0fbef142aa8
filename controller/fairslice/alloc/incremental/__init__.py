"""Rates of a problem that changes, brought up to date instead of solved again."""
