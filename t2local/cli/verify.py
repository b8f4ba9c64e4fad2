"""The command that holds a result against its manifest: ``verify``."""

from pathlib import Path

import click

from t2local.cli import options


@click.command()
@click.argument("folder", type=options.PATH)
def verify(folder: Path) -> None:
    """Check that the files in FOLDER are those that 'generate' wrote, all of them and no others, by
    the hashes in its manifest.json.
    """
    from t2local.run.verification import check_files

    n_files = check_files(folder)
    options.write(f"{folder}: all {n_files} files are as they were written\n", None)
