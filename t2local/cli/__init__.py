"""The command line: ``python -m t2local``."""

from t2local.cli.commands import main

__all__ = ["main"]
