"""Files that people write, YAML, JSON and XML, read with line and column, and how their faults are worded."""
