"""The controller application: a pure core, a thin Ryu shell, the launcher."""
