"""Programs that run by themselves inside hosts."""
