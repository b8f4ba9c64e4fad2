"""The command that asks a model what it believes of the columns: ``ask``."""

from pathlib import Path
from typing import Any

import click

from t2local.cli import options
from t2local.cli.options import read_settings, write
from t2local.cli.screen import Screen


@click.command()
@options.data
@options.target
@options.dictionary
@options.model
@options.output
@options.no_header
@options.sheet
@options.min_count
@options.setting
@options.verbose
def ask(
    data: Path,
    output: Path | None,
    no_header: bool,
    sheet: str | None,
    min_count: int | None,
    pairs: tuple[str, ...],
    verbose: bool,
    **arguments: Any,
) -> None:
    """Ask a model which columns of the table DATA raise or lower the target; edit the answer and
    pass it on with --knowledge.

    The model sees names, descriptions and levels, and no row.
    """
    from t2local import pipeline

    own = options.table_settings(no_header, sheet, min_count)
    settings = read_settings(pairs, options=own)
    with Screen(verbose=verbose) as screen:
        knowledge = pipeline.ask(data, settings=settings, on_event=screen, **arguments)
    write(knowledge.to_yaml(), output)
