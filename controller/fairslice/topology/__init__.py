"""The network: its links and capacities, reading it, and paths through it."""
