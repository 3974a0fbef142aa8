"""What is asked of the operating system: tc, processors, offloads, signals and commands."""
