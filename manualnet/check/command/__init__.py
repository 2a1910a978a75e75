"""The command line: `python -m manualnet.check`."""
