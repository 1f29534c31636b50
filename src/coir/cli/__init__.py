"""The command line: the only place that prints, and the only one that exits."""

from coir.cli.main import main

__all__ = ["main"]
