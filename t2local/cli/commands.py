"""The commands: parse, call the pipeline, show its events, map errors to exit codes.

Data goes to stdout, progress to stderr. Heavy imports happen inside the commands, so that --help
answers at once.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2local.cli import options
from t2local.cli.ask import ask
from t2local.cli.cluster import client_of, prepare
from t2local.cli.doctor import doctor
from t2local.cli.exits import EXIT_CODES, ErrorGroup, show_bugs_without_messages
from t2local.cli.models import bundle, models
from t2local.cli.options import read_settings, render, write
from t2local.cli.outcome import nothing_passed, show_outcome
from t2local.cli.review import review
from t2local.cli.sample import sample
from t2local.cli.screen import Screen
from t2local.cli.text import evaluation_summary, forecast_text, trim_summary
from t2local.cli.verify import verify
from t2local.errors import NothingKept
from t2local.system.offline import seal

if TYPE_CHECKING:
    from t2local.system.json_text import JsonObject


@click.group(
    cls=ErrorGroup,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="t2local")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:  # noqa: ARG001 - read by _fail
    """Good synthetic rows for a small table, offline, with local language models."""
    show_bugs_without_messages()
    # These two seal themselves, but for 'models pull' and 'generate --cluster'.
    if context.invoked_subcommand not in ("models", "generate"):
        seal()


@main.command()
@options.data
@options.target
@click.option(
    "--rows",
    type=click.IntRange(1),
    help="Rows wanted [ten times the real ones, from 200 to 2,000].",
)
@options.dictionary
@options.knowledge
@click.option(
    "--plan",
    default="manager",
    show_default=True,
    metavar="manager|data|FILE",
    help="Who decides which features belong together.",
)
@options.model
@options.seed
@click.option(
    "--out", type=options.PATH, help="Folder of the result [DATA with the ending .t2local]."
)
@options.replace
@options.resume
@click.option(
    "--examples",
    type=click.IntRange(0),
    help="Real rows shown in the prompt, none with 0; the same as --set team.examples.",
)
@click.option(
    "--purpose",
    type=click.Choice(["train", "share"]),
    help="train [default]: rows that make a model better; share: rows that look like the table.",
)
@click.option(
    "--keep",
    type=click.Choice(["passed", "all"]),
    help="all: keep what passes sanity, whatever the later stages say [passed].",
)
@click.option(
    "--manager-model", help="Another model for the plan; it is freed before the workers' is loaded."
)
@click.option(
    "--where",
    multiple=True,
    metavar="COND",
    help="What all rows are to be: sex=F, 'age>=65'. Repeatable.",
)
@click.option(
    "--balance", metavar="SHARES", help="Shares of the labels: uniform, or yes=0.3,no=0.7."
)
@click.option(
    "--batch-size",
    default=10,
    show_default=True,
    type=click.IntRange(1),
    help="Rows of a batch: what --max-batches counts, and what trim.gate=utility judges together.",
)
@click.option(
    "--max-batches", type=click.IntRange(1), help="Batches tried at most [5 times those needed]."
)
@options.no_header
@options.sheet
@options.min_count
@click.option(
    "--drop", is_flag=True, help="Drop the columns that are not generated [they come back blank]."
)
@options.preset
@options.setting
@options.form
@options.cluster
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what the run would take, after two seconds of measuring; nothing is written.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
@options.verbose
def generate(
    data: Path,
    out: Path | None,
    replace: bool,
    resume: bool,
    examples: int | None,
    purpose: str | None,
    keep: str | None,
    no_header: bool,
    sheet: str | None,
    min_count: int | None,
    drop: bool,
    preset: str,
    pairs: tuple[str, ...],
    form: str,
    cluster: str | None,
    dry_run: bool,
    quiet: bool,
    verbose: bool,
    **arguments: Any,
) -> None:
    """Write synthetic rows for the table DATA, and keep those that pass the quality stages."""
    own = {
        **prepare(cluster, pairs),
        "team.examples": examples,
        "trim.purpose": purpose,
        "trim.keep": keep,
        **options.table_settings(no_header, sheet, min_count, drop=drop),
    }
    arguments["settings"] = read_settings(pairs, preset, own)
    if dry_run:
        _forecast(data, form, Screen(quiet=quiet, verbose=verbose), arguments)
        return
    out = out or data.with_suffix(".t2local")
    with Screen(quiet=quiet, verbose=verbose) as screen, client_of(cluster) as client:
        from t2local import pipeline

        arguments |= {"out": out, "replace": replace, "resume": resume, "on_event": screen}
        report = pipeline.generate(data, client=client, **arguments).report
    show_outcome(report, out, form)


@main.command()
@options.data
@options.target
@click.option(
    "--codebook",
    type=options.PATH,
    help="What is known already: REDCap's data dictionary, OMOP's field list (CSV), a Table Schema "
    "or a FHIR Questionnaire (JSON).",
)
@click.option(
    "--as",
    "language",
    type=click.Choice(["yaml", "json", "schema"]),
    default="yaml",
    show_default=True,
    help="schema: the JSON Schema, for editors.",
)
@options.output
@options.no_header
@options.sheet
@options.min_count
@options.setting
@options.verbose
def describe(
    data: Path,
    language: str,
    output: Path | None,
    no_header: bool,
    sheet: str | None,
    min_count: int | None,
    pairs: tuple[str, ...],
    verbose: bool,
    **arguments: Any,
) -> None:
    """Guess the feature dictionary of the table DATA, with the reason of each guess; as JSON it is
    a Frictionless Table Schema.
    """
    from t2local import pipeline

    own = options.table_settings(no_header, sheet, min_count)
    settings = read_settings(pairs, options=own)
    with Screen(verbose=verbose) as screen:
        dictionary = pipeline.describe(data, settings=settings, on_event=screen, **arguments)
    texts = {
        "yaml": dictionary.to_yaml,
        "json": dictionary.to_table_schema,
        "schema": dictionary.json_schema,
    }
    write(texts[language](), output)


@main.command()
@options.data
@options.target
@options.dictionary
@click.option(
    "--source",
    type=click.Choice(["manager", "data"]),
    default="manager",
    show_default=True,
    help="Who decides: the model as manager, or the associations in the real rows.",
)
@options.model
@options.seed
@click.option(
    "--as",
    "language",
    type=click.Choice(["yaml", "text", "mermaid"]),
    default="yaml",
    show_default=True,
    help="What is written; --plan takes YAML.",
)
@options.output
@options.no_header
@options.sheet
@options.min_count
@options.setting
@options.verbose
def plan(
    data: Path,
    language: str,
    output: Path | None,
    no_header: bool,
    sheet: str | None,
    min_count: int | None,
    pairs: tuple[str, ...],
    verbose: bool,
    **arguments: Any,
) -> None:
    """Show which features belong together and in which order they are written; edit it and pass it
    on with --plan.
    """
    from t2local import pipeline

    own = options.table_settings(no_header, sheet, min_count)
    settings = read_settings(pairs, options=own)
    with Screen(verbose=verbose) as screen:
        drawing = pipeline.plan(data, settings=settings, on_event=screen, **arguments)
    if language == "yaml":  # the file has no room for these figures
        click.echo(
            "The order of writing, and how strongly each component is associated with its parents "
            f"in the real rows (0 to 1):\n{drawing.text()}",
            err=True,
        )
    for warning in drawing.warnings():
        click.echo(f"note: {warning}", err=True)
    texts = {
        "yaml": drawing.plan.to_yaml(),
        "text": f"{drawing.text()}\n",
        "mermaid": f"{drawing.mermaid()}\n",
    }
    write(texts[language], output)


@main.command()
@options.real
@options.synthetic
@options.target
@options.dictionary
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    help="Rows judged together where trim.gate judges batches [all].",
)
@options.seed
@click.option(
    "--out",
    type=options.PATH,
    help="Folder of the result [SYNTHETIC, or the run it is of, ending in .trimmed].",
)
@options.preset
@options.setting
@options.form
def trim(
    real: Path,
    synthetic: Path,
    out: Path | None,
    preset: str,
    pairs: tuple[str, ...],
    form: str,
    **arguments: Any,
) -> None:
    """Judge the rows of any generator in the table SYNTHETIC by the rows of the table REAL (both
    CSV).
    """
    from t2local.run.two_tables import trim_files

    out = out or options.beside(synthetic, ".trimmed")
    settings = read_settings(pairs, preset)
    report = trim_files(real, synthetic, out=out, settings=settings, **arguments).report
    render(report, trim_summary(report, out), form)
    if not report["rows"]["kept"]:
        raise NothingKept(nothing_passed(out), next_step="see the reasons")


@main.command()
@options.real
@options.synthetic
@options.target
@options.dictionary
@click.option(
    "--holdout",
    type=options.PATH,
    help="Real rows that had no part in making the synthetic ones: the best reference.",
)
@options.seed
@click.option(
    "--out",
    type=options.PATH,
    help="Folder of report.json [SYNTHETIC, or the run it is of, ending in .evaluated].",
)
@options.form
def evaluate(real: Path, synthetic: Path, out: Path | None, form: str, **arguments: Any) -> None:
    """Measure the rows of any generator in the table SYNTHETIC against those of the table REAL
    (both CSV).
    """
    from t2local.run.two_tables import evaluate_files

    out = out or options.beside(synthetic, ".evaluated")
    evaluation = evaluate_files(real, synthetic, out=out, **arguments)
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    render(report, evaluation_summary(report, evaluation.text(), out), form)


for command in (ask, models, bundle, doctor, sample, review, verify):
    main.add_command(command)


def _forecast(data: Path, form: str, screen: Screen, arguments: "JsonObject") -> None:
    """What `generate` would take."""
    from t2local.run.forecast import forecast
    from t2local.system.json_text import to_json

    with screen:
        figures = to_json(forecast(data, on_event=screen, **arguments))
    render(figures, forecast_text(figures), form)
