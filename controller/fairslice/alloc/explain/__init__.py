"""How rates come about, and what would raise one."""
