"""Traffic of a run: which streams there are, and the programs that send them."""
