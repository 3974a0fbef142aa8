"""Queues: what their load makes of waiting, in closed form and by simulation of events."""
