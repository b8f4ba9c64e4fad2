"""The command that asks a person about the guesses that may be wrong: ``review``.

Keys and prompts are click's, which is there already: no library of prompts is worth a dependency
for one key a screen.
"""

import shlex
import sys
import textwrap
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from t2local.cli import options
from t2local.cli.options import read_settings, write
from t2local.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from t2local.settings import TableSettings
    from t2local.tables.dictionary import FeatureDictionary
    from t2local.tables.files import Table
    from t2local.tables.review import Question

#: Columns of the narrowest terminal.
_WIDTH = 80
_ENTER = ("\r", "\n")
#: How a run is told what the first line is: data, or names of the columns.
_NO_HEADER = ["--no-header"]
_NAMES = ["--set", "table.first_line=names"]


@click.command()
@options.data
@options.target
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    default=Path("dictionary.yaml"),
    show_default=True,
    help="File to write; one that is there already is not replaced.",
)
@click.option("--yes", is_flag=True, help="Take all guesses without a question.")
@options.no_header
@options.sheet
@options.min_count
@options.setting
def review(
    data: Path,
    target: str | None,
    output: Path,
    yes: bool,
    no_header: bool,
    sheet: str | None,
    min_count: int | None,
    pairs: tuple[str, ...],
) -> None:
    """Go through the guesses about the table DATA that may be wrong, one screen each, and write the
    dictionary that results.

    Enter keeps a guess, a key changes it, q leaves without writing.
    """
    if output.exists():
        next_step = "name another file with -o, or take the old one away"
        raise UsageError(f"{output} is there already.", next_step=next_step)
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        next_step = "take all guesses with --yes, and edit the file"
        raise UsageError("A review asks questions, and there is no terminal.", next_step=next_step)
    own = options.table_settings(no_header, sheet, min_count)
    settings = read_settings(pairs, options=own).table
    try:
        text, hints = _reviewed(data, target, settings, yes=yes)
    except (KeyboardInterrupt, EOFError, click.Abort) as error:
        message = "The review was left; nothing was written."
        next_step = "run the same command again, or take all guesses with --yes"
        raise Interrupted(message, next_step=next_step) from error
    write(text, output)
    if sheet:
        hints = [*hints, "--sheet", sheet]
    if min_count is not None:
        hints = [*hints, "--min-count", str(min_count)]
    hints = [*hints, *(text for pair in pairs for text in ("--set", pair))]
    command = shlex.join(["generate", str(data), *hints, "--dictionary", str(output)])
    click.echo(f"Next: python -m t2local {command}", err=True)


def _reviewed(
    data: Path, target: str | None, settings: "TableSettings", *, yes: bool
) -> tuple[str, list[str]]:
    """The dictionary as a file, and the options that a run needs to read the table in this way."""
    from t2local.run.inputs import read
    from t2local.tables.dictionary_file import read_dictionary
    from t2local.tables.review import column_questions, rule_questions

    table = read(data, settings)
    hints = _NO_HEADER if settings.first_line == "data" else []
    if not yes and settings.first_line == "auto":
        settings, hints = _header(table, settings)
        table = read(data, settings) if hints else table
    dictionary = _described(table, target, settings)
    if not yes:
        if target is None:
            dictionary = _target(table, dictionary, settings)
        columns = column_questions(dictionary, table.cells, settings, table.other_cells)
        dictionary = _answered(dictionary, columns)
        dictionary = _answered(dictionary, rule_questions(dictionary))
        click.clear()
    text = dictionary.to_yaml()
    read_dictionary(text, "The reviewed dictionary")  # the answers have to go together
    return text, hints


def _header(table: "Table", settings: "TableSettings") -> tuple["TableSettings", list[str]]:
    """The settings, and the option, for what the first line is; asked only where it is in doubt."""
    for decision in table.decisions:
        if decision.what != "header":
            continue
        words, first_line, hints = "it is a row of data", "data", _NO_HEADER
        if table.header is None:
            words, first_line, hints = "it names the columns", "names", _NAMES
        guess = f"header: {decision.value}"
        if _choose("The first line", guess, [decision.reason], {"f": words}):
            return settings.model_copy(update={"first_line": first_line}), hints
    return settings, []


def _target(
    table: "Table", dictionary: "FeatureDictionary", settings: "TableSettings"
) -> "FeatureDictionary":
    """The dictionary with the target that a person names."""
    from t2local.tables.table_schema import NO_TARGET

    target = dictionary.target or NO_TARGET
    keys = {"t": "another column", "n": "none: nothing is to be predicted"}
    key = _choose("The target", target, [dictionary.target_reason.partition(";")[0]], keys)
    if not key:
        return dictionary
    target = NO_TARGET
    if key == "t":
        names = click.Choice(dictionary.names)
        target = click.prompt("  Column", type=names, show_choices=False)
    return _described(table, target, settings)


def _described(
    table: "Table", target: str | None, settings: "TableSettings"
) -> "FeatureDictionary":
    """The guesses about all rows, also where the table is a sample of them."""
    from t2local.tables.describe import describe

    return describe(
        table.cells,
        target=target,
        settings=settings,
        source=table.source,
        other_cells=table.other_cells,
    )


def _answered(
    dictionary: "FeatureDictionary", questions: Iterable["Question"]
) -> "FeatureDictionary":
    """The dictionary after all questions."""
    every = list(questions)
    for number, question in enumerate(every, 1):
        heading = f"{question.subject}  ({number} of {len(every)})"
        keys = {answer.key: answer.words for answer in question.answers}
        key = _choose(heading, question.guess, question.doubts, keys)
        for answer in question.answers:
            if answer.key == key:
                dictionary = answer.change(dictionary)
    return dictionary


def _choose(heading: str, guess: str, doubts: Iterable[str], keys: Mapping[str, str]) -> str:
    """Show a screen and wait for a key; blank for Enter, which keeps the guess.

    **Raises** `click.Abort` for q.
    """
    click.clear()
    click.secho(_wrapped(heading), bold=True)
    click.echo(_wrapped(guess, "  "))
    for doubt in doubts:
        click.echo(_wrapped(doubt, "  ? "))
    click.echo()
    for key, words in {"Enter": "keep it", **keys, "q": "leave; nothing is written"}.items():
        click.echo(_wrapped(words, f"  {key:<7}"))
    while True:
        key = click.getchar().lower()
        if key in _ENTER:
            return ""
        if key == "q":
            raise click.Abort
        if key in keys:
            return key


def _wrapped(text: str, mark: str = "") -> str:
    """A text in lines of at most 80 columns, the first one behind a mark."""
    return textwrap.fill(text, _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark))
