"""The options that several commands share, and what they do: ``--set``, ``--format``, ``--output``.

Nothing heavy is imported at the top: ``--help`` answers at once.
"""

import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from t2local.cli.text import wrapped
from t2local.errors import ResourceError, UsageError

if TYPE_CHECKING:
    from t2local.settings import Settings

PATH = click.Path(path_type=Path)

data = click.argument("data", type=PATH)
real = click.argument("real", type=PATH)
synthetic = click.argument("synthetic", type=PATH)
target = click.option(
    "--target",
    metavar="COLUMN",
    help="The column to predict, or none [named like a label, else the last without blank cells].",
)
dictionary = click.option(
    "--dictionary", type=PATH, help="A feature dictionary [guessed from the data]."
)
knowledge = click.option(
    "--knowledge", type=PATH, help="What a model believes of the columns: a file of 'ask' [none]."
)
model = click.option(
    "--model", metavar="NAME|FILE", help="A model of the catalogue, or a GGUF file [starter]."
)
seed = click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="The same seed gives the same rows.",
)
form = click.option(
    "--format",
    "form",
    type=click.Choice(["human", "json"]),
    default="human",
    show_default=True,
    help="What is printed: sentences, or JSON for programs.",
)
replace = click.option(
    "--replace",
    is_flag=True,
    help="Take the place of a finished result, once all is written; of an unfinished one at once.",
)
verbose = click.option(
    "--verbose", is_flag=True, help="Say every decision, those about the machine as well."
)
resume = click.option(
    "--resume",
    is_flag=True,
    help="Go on with an unfinished run, or end with an error where there is none; the same command "
    "without it goes on, or begins.",
)
output = click.option("-o", "--output", type=PATH, help="File to write [stdout].")
no_header = click.option(
    "--no-header", is_flag=True, help="The first line of DATA is a row [what it looks like]."
)
sheet = click.option("--sheet", metavar="NAME", help="The sheet of an Excel file [its first one].")
min_count = click.option(
    "--min-count",
    type=click.IntRange(1),
    help="Rows that a guessed level needs; rarer ones are pooled [5; fewer in small tables].",
)
setting = click.option(
    "--set",
    "pairs",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting, such as trim.kappa=0.3; see docs/reference/settings.md.",
)
cluster = click.option(
    "--cluster",
    metavar="local:N|ADDRESS",
    help="Let the workers of a dask cluster write the rows: N of this machine, or those of a "
    "scheduler (tls://host:8786); see docs/howto/many-machines.md [none].",
)
preset = click.option(
    "--preset",
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="Where the settings start from.",
)


def beside(synthetic: Path, ending: str) -> Path:
    """Where figures about a file of rows go by default: never into the folder of a run."""
    of_a_run = (synthetic.parent / "journal.jsonl").is_file()
    return (synthetic.parent if of_a_run else synthetic).with_suffix(ending)


def table_settings(
    no_header: bool,
    sheet: str | None,
    min_count: int | None,
    *,
    drop: bool = False,
) -> dict[str, str | int | None]:
    """What these options stand for, by the names of the settings."""
    return {
        "table.left_out": "dropped" if drop else None,
        "table.first_line": "data" if no_header else None,
        "table.sheet": sheet,
        "table.min_count": min_count,
    }


def read_settings(
    pairs: Sequence[str],
    preset: str = "default",
    options: Mapping[str, str | int | None] | None = None,
) -> "Settings":
    """Settings from the texts of ``--set``, and from options that stand for a setting (by name).

    An old name of a setting is noted on stderr.

    **Raises** `UsageError` that lists every text without "=", or every setting that is wrong.
    """
    from t2local.settings import Settings

    values: dict[str, str | int] = {**_split(pairs)}
    values |= {name: value for name, value in (options or {}).items() if value is not None}
    # Python hides deprecations from those who run a program; whoever typed a name must see it.
    with warnings.catch_warnings(record=True) as deprecations:
        warnings.simplefilter("always", DeprecationWarning)
        settings = Settings.load(values, preset)
    for deprecation in deprecations:
        click.echo(f"note: {deprecation.message}", err=True)
    return settings


def render(figures: object, text: str, form: str) -> None:
    """Print a result on stdout, as ``--format`` says: a text for people, or one line of JSON.

    In a terminal no word of a sentence is broken at the end of a line.
    """
    from t2local.system.json_text import as_json

    if form == "json":
        text = as_json(figures, indent=None).rstrip("\n")
    else:
        text = wrapped(text, sys.stdout)
    _print(f"{text}\n")


def write(text: str, output: Path | None) -> None:
    """Write to the file of ``--output``, or to stdout."""
    if output is None:
        _print(text)
        return
    from t2local.system.atomic import atomic

    with atomic(output) as file:
        file.write(text)
    click.echo(f"Written to {output}", err=True)


def _print(text: str) -> None:
    """Print on stdout. **Raises** `ResourceError` where nobody would get it."""
    if sys.stdout is None:
        raise ResourceError(
            "The result cannot be printed: stdout is closed.", next_step="write it to a file"
        )
    click.echo(text, nl=False)


def _split(pairs: Sequence[str]) -> dict[str, str]:
    faults = [f"{pair!r} has no =" for pair in pairs if "=" not in pair]
    if faults:
        raise UsageError(
            "A setting is NAME=VALUE:", faults=faults, next_step="for example --set trim.kappa=0.3"
        )
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
