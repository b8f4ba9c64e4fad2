"""The command line as a program: ``python -m t2local``."""

from t2local.cli import main

main()
