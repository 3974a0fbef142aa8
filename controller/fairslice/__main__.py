"""``python -m fairslice`` is ``fairslice``."""

from fairslice.cli import main

if __name__ == "__main__":
    main()
