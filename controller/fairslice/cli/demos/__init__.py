"""The live demos, a module each, with ``tell(stage)``: a story in the terminal, with numbers at its end."""
