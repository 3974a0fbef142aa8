"""The seam to the controller framework: plans to messages, statistics to state."""
