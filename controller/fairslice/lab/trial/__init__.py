"""One measured run: an emulated network, the controller beside it, traffic, and what came of it."""
