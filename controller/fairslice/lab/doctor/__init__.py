"""What this machine can do for fairslice, and what stands in the way."""
