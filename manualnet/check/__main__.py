"""``python -m manualnet.check``: proves manualnet, or your own Function."""

import sys

from manualnet.check.command.cli import main

if __name__ == "__main__":
    sys.exit(main())
