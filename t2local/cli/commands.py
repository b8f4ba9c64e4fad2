"""The commands: parse, call the pipeline, render its events, map errors to exit codes.

Data goes to stdout, progress to stderr. Heavy imports happen inside the commands, so that --help answers at once.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from t2local.cli.models import bundle, models, render
from t2local.errors import Interrupted, NothingKept, ResourceError, T2LocalError, UsageError
from t2local.system.offline import seal

if TYPE_CHECKING:
    from t2local.events import Event, Progress
    from t2local.pipeline import Result

EXIT_CODES = """
Exit codes: 0 ok, 1 a bug, 2 usage, 3 input or dictionary, 4 model, 5 no row passed the quality stages (files are written),
6 out of memory or disk, 130 interrupted.
"""
#: Name to scikit-learn's function and its options; scaled=False: ages in years, not in standard deviations.
_SAMPLES: dict[str, tuple[str, dict[str, bool]]] = {
    "iris": ("load_iris", {}),
    "wine": ("load_wine", {}),
    "breast-cancer": ("load_breast_cancer", {}),
    "diabetes": ("load_diabetes", {"scaled": False}),
}
#: Seconds between progress lines where there is no terminal.
_QUIET_SECONDS = 10.0


class _Group(click.Group):
    """Turns errors into a message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except T2LocalError as error:
            _fail(ctx, error)
        except MemoryError:
            _fail(
                ctx,
                ResourceError(
                    "There is not enough memory.",
                    next_step="write fewer rows side by side: --set decoder.slots=4",
                ),
            )
        except KeyboardInterrupt:
            _fail(
                ctx,
                Interrupted(
                    "Interrupted before any row was written; nothing was written.",
                    next_step="run the same command again",
                ),
            )


def _fail(ctx: click.Context, error: T2LocalError) -> NoReturn:
    if ctx.params.get("debug") and not isinstance(error, NothingKept | Interrupted):
        raise error
    click.echo(f"Error: {error}", err=True)
    ctx.exit(error.exit_code)


@click.group(
    cls=_Group,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(package_name="t2local")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.pass_context
def main(context: click.Context, debug: bool) -> None:  # noqa: ARG001 - read by _Group
    """Good synthetic rows for a small table, offline, with local language models."""
    if context.invoked_subcommand != "models":  # that one seals all but 'pull'
        seal()


_target = click.option(
    "--target",
    metavar="COLUMN",
    help="The column to predict [a column named like a label, else the last one].",
)
_dictionary = click.option(
    "--dictionary",
    type=click.Path(path_type=Path),
    help="A feature dictionary [guessed from the data].",
)
_model = click.option(
    "--model", metavar="NAME|FILE", help="A model of the catalogue, or a GGUF file [starter]."
)
_seed = click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="The same seed gives the same rows.",
)
_format = click.option(
    "--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True
)
_set = click.option(
    "--set",
    "values",
    multiple=True,
    metavar="NAME=VALUE",
    help="A setting, such as trim.kappa=0.3; see README.md.",
)
_preset = click.option(
    "--preset",
    type=click.Choice(["default", "paper"]),
    default="default",
    show_default=True,
    help="Where the settings start from.",
)
_data = click.argument("data", type=click.Path(path_type=Path))


@main.command()
@_data
@_target
@click.option("--rows", default=200, show_default=True, type=click.IntRange(1), help="Rows wanted.")
@_dictionary
@click.option(
    "--plan",
    default="manager",
    show_default=True,
    metavar="manager|data|FILE",
    help="Who decides which features belong together.",
)
@_model
@_seed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the result [DATA with the ending .t2local].",
)
@click.option(
    "--examples",
    type=click.IntRange(0),
    help="Real rows shown in the prompt, none with 0; the same as --set team.examples.",
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
    help="Rows judged together.",
)
@click.option(
    "--max-batches", type=click.IntRange(1), help="Batches tried at most [5 times those needed]."
)
@_preset
@_set
@_format
@click.option(
    "--dry-run",
    is_flag=True,
    help="Say what the run would take, after two seconds of measuring; nothing is written.",
)
@click.option("--quiet", is_flag=True, help="No progress.")
def generate(
    data: Path,
    out: Path | None,
    examples: int | None,
    preset: str,
    values: tuple[str, ...],
    form: str,
    dry_run: bool,
    quiet: bool,
    **asked: Any,
) -> None:
    """Write synthetic rows for the table DATA (CSV), and keep those that pass the quality stages."""
    from t2local import pipeline
    from t2local.settings import Settings
    from t2local.system.json_text import as_json

    chosen = {**_pairs(values), **({"team.examples": examples} if examples is not None else {})}
    settings = Settings.load(chosen, preset)
    out = out or data.with_suffix(".t2local")
    screen = _Screen(quiet)
    try:
        if dry_run:
            from t2local.run.forecast import forecast

            found = forecast(data, settings=settings, on_event=screen, **asked)
            click.echo(json.dumps(found) if form == "json" else _expectation(found))
            return
        result = pipeline.generate(data, settings=settings, out=out, on_event=screen, **asked)
    finally:
        screen.close()
    click.echo(
        as_json(result.report, indent=None) if form == "json" else f"{_summary(result, out)}\n",
        nl=False,
    )
    _end(result, out)


@main.command()
@_data
@_target
@click.option(
    "--codebook",
    type=click.Path(path_type=Path),
    help="What is known already: REDCap's data dictionary, OMOP's field list (CSV), a Table Schema (JSON).",
)
@click.option(
    "--as",
    "form",
    type=click.Choice(["yaml", "json", "schema"]),
    default="yaml",
    show_default=True,
    help="schema: the JSON Schema, for editors.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [stdout].")
@_set
def describe(
    data: Path,
    target: str | None,
    codebook: Path | None,
    form: str,
    output: Path | None,
    values: tuple[str, ...],
) -> None:
    """Guess the feature dictionary of the table DATA, with the reason of each guess; as JSON it is a Frictionless Table Schema."""
    from t2local import pipeline
    from t2local.settings import Settings

    known = pipeline.describe(
        data,
        target=target,
        codebook=codebook,
        settings=Settings.load(_pairs(values)),
        on_event=_Screen(quiet=False),
    )
    _write(
        {"yaml": known.to_yaml, "json": known.to_table_schema, "schema": known.json_schema}[form](),
        output,
    )


@main.command()
@_data
@_target
@_dictionary
@click.option(
    "--source", type=click.Choice(["manager", "data"]), default="manager", show_default=True
)
@_model
@_seed
@click.option(
    "--as",
    "form",
    type=click.Choice(["yaml", "text", "mermaid"]),
    default="yaml",
    show_default=True,
    help="What is written; --plan takes YAML.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [stdout].")
@_set
def plan(data: Path, form: str, output: Path | None, values: tuple[str, ...], **asked: Any) -> None:
    """Show which features belong together and in which order they are written; edit it and pass it on with --plan."""
    from t2local import pipeline
    from t2local.settings import Settings

    drawing = pipeline.plan(
        data, settings=Settings.load(_pairs(values)), on_event=_Screen(quiet=False), **asked
    )
    if form == "yaml":
        click.echo(
            f"The order of writing, and how strongly the real rows tie each component to its parents (0 to 1):\n{drawing.text()}",
            err=True,
        )
    for warning in drawing.warnings():
        click.echo(f"note: {warning}", err=True)
    _write(
        drawing.plan.to_yaml()
        if form == "yaml"
        else f"{drawing.text() if form == 'text' else drawing.mermaid()}\n",
        output,
    )


@main.command()
@click.argument("real", type=click.Path(path_type=Path))
@click.argument("synthetic", type=click.Path(path_type=Path))
@_target
@_dictionary
@click.option("--batch-size", type=click.IntRange(1), help="Rows judged together [all].")
@_seed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of the result [SYNTHETIC with the ending .trimmed].",
)
@_preset
@_set
@_format
def trim(
    real: Path,
    synthetic: Path,
    out: Path | None,
    preset: str,
    values: tuple[str, ...],
    form: str,
    **asked: Any,
) -> None:
    """Judge the rows of any generator in the table SYNTHETIC by the rows of the table REAL (both CSV)."""
    from t2local.run.two_tables import trim_files
    from t2local.settings import Settings
    from t2local.system.json_text import as_json

    out = out or synthetic.with_suffix(".trimmed")
    done = trim_files(
        real, synthetic, out=out, settings=Settings.load(_pairs(values), preset), **asked
    )
    report = done.report
    if form == "json":
        click.echo(as_json(report, indent=None), nl=False)
    else:
        refused = ", ".join(
            f"{stage} {count}" for stage, count in report["rejected_by"].items() if count
        )
        click.echo(
            f"{report['rows']['kept']} of {report['rows']['generated']} rows were kept"
            + (f" (rejected by {refused})." if refused else ".")
        )
        click.echo(
            "\n".join(
                f"  {count:>5}  {reason}" for reason, count in list(report["reasons"].items())[:5]
            )
        )
        click.echo(report["verdict"])
        click.echo(f"Written to {out}: synthetic.csv, rejected.csv, report.json")
    if done.kept.empty:
        raise NothingKept(
            f"No row passed the quality stages; {out / 'rejected.csv'} has every row with its reason.",
            next_step="see the reasons",
        )


@main.command()
@click.argument("real", type=click.Path(path_type=Path))
@click.argument("synthetic", type=click.Path(path_type=Path))
@_target
@_dictionary
@click.option(
    "--holdout",
    type=click.Path(path_type=Path),
    help="Real rows that had no part in making the synthetic ones: the best reference.",
)
@_seed
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder of report.json [SYNTHETIC with the ending .evaluated].",
)
@_format
def evaluate(real: Path, synthetic: Path, out: Path | None, form: str, **asked: Any) -> None:
    """Measure the rows of any generator in the table SYNTHETIC against those of the table REAL (both CSV)."""
    from t2local.run.two_tables import evaluate_files
    from t2local.system.json_text import as_json

    out = out or synthetic.with_suffix(".evaluated")
    done = evaluate_files(real, synthetic, out=out, **asked)
    click.echo(
        as_json(done.as_report(), indent=None)
        if form == "json"
        else f"{done.text()}\nWritten to {out}: report.json\n",
        nl=False,
    )


@main.command()
@click.argument("name", type=click.Choice(sorted(_SAMPLES)))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write [stdout].")
def sample(name: str, output: Path | None) -> None:
    """Write a real table to try; it comes with scikit-learn."""
    import sklearn.datasets

    function, options = _SAMPLES[name]
    bunch = getattr(sklearn.datasets, function)(as_frame=True, **options)
    frame = bunch.frame
    if hasattr(bunch, "target_names") and len(bunch.target_names):
        frame["target"] = bunch.target_names[frame["target"]]
    _write(frame.to_csv(index=False), output)


@main.command()
@_model
@_format
@click.option(
    "--offline-proof",
    is_flag=True,
    help="Generate rows without a network, watched from outside; the transcript goes to offline-proof.txt.",
)
def doctor(model: str | None, form: str, offline_proof: bool) -> None:
    """Check this installation: versions, CPU, devices, known problems, model, and a decode of two tokens."""
    from t2local.airgap.doctor import examine

    findings = examine(model)
    if offline_proof:
        from t2local.airgap.proof import prove

        findings |= prove(model, Path("offline-proof.txt"))
    render(findings, form)


main.add_command(models)
main.add_command(bundle)


class _Screen:
    """Renders events on stderr: one live line in a terminal, a line now and then elsewhere."""

    def __init__(self, quiet: bool) -> None:
        self._quiet, self._live, self._said = quiet, None, time.monotonic()
        if not quiet and sys.stderr.isatty():
            from rich.console import Console

            self._live = Console(stderr=True, highlight=False).status("")

    def __call__(self, event: "Event") -> None:
        from t2local.events import Decision, Progress

        if self._quiet:
            return
        if isinstance(event, Progress):
            self._show(event)
        elif isinstance(event, Decision):
            click.echo(f"{event.what}: {event.value} ({event.reason})", err=True)
        else:
            click.echo(f"note: {event.message}", err=True)

    def _show(self, progress: "Progress") -> None:
        text = _progress_line(progress)
        if self._live is not None:
            from rich.markup import escape

            self._live.start()
            self._live.update(escape(text))
        elif time.monotonic() - self._said > _QUIET_SECONDS:
            self._said = time.monotonic()
            click.echo(text, err=True)

    def close(self) -> None:
        """Clear the live line."""
        if self._live is not None:
            self._live.stop()


def _progress_line(progress: "Progress") -> str:
    refused = ", ".join(
        f"{stage} {count}" for stage, count in progress.rejected_by.items() if count
    )
    left = (
        f", about {progress.seconds_left:.0f} s left" if progress.seconds_left is not None else ""
    )
    rejected = f" (rejected: {refused})" if refused else ""
    return f"{progress.written} rows written, {progress.kept} of {progress.wanted} kept{rejected}, {progress.tokens_per_second:.0f} tokens/s{left}"


def _expectation(found: dict[str, float]) -> str:
    """What a run would take, for people."""
    gained = found["prompt"] - found["stable"]
    megabytes = {name: found[f"{name}_bytes"] / 1e6 for name in ("weight", "context")}
    lines = {
        "prompt": f"{found['prompt']:,} tokens, the same for the whole team; {gained:,} of them new with every set of examples",
        "row": f"{found['row']:.0f} tokens",
        "memory": f"{megabytes['weight']:,.0f} MB of weights, {megabytes['context']:,.0f} MB for {found['context']:,} tokens; about 450 MB more",
        "speed": f"{found['prompt_speed']:,.0f} tokens/s of the prompt, {found['row_speed']:,.0f} of rows, measured for 2 seconds",
        "time": f"{found['seconds']:,.0f} s for {found['rows']} rows if no batch is refused",
        "at most": f"{found['seconds_at_most']:,.0f} s, for {found['rows_at_most']} rows",
    }
    return "\n".join(f"{name:<10}{text}" for name, text in lines.items())


def _summary(result: "Result", out: Path) -> str:
    report = result.report
    lines = [
        report["verdict"],
        *(f"  {count:>5}  {reason}" for reason, count in list(report["reasons"].items())[:5]),
    ]
    lines.append(
        f"{report['seconds']['total']:.0f} s, {report['tokens']['prefix'] + report['tokens']['rows']} tokens decoded"
    )
    lines.append(
        f"Written to {out}: synthetic.csv, rejected.csv, report.json, manifest.json, dictionary.yaml, plan.yaml"
    )
    return "\n".join(lines)


def _end(result: "Result", out: Path) -> None:
    """End with the exit code of a run that wrote its files and is not a success."""
    if result.report["interrupted"]:
        raise Interrupted(
            f"Interrupted; {result.report['rows']['kept']} kept rows are in {out}.",
            next_step="run the same command again for all rows",
        )
    if not len(result.synthetic):
        raise NothingKept(
            f"No row passed the quality stages; {out / 'rejected.csv'} has every row with its reason.",
            faults=[
                f"{count} rows: {reason}" for reason, count in result.report["reasons"].items()
            ],
            next_step="try more batches (--max-batches), more real rows, or a larger model (--model)",
        )


def _write(text: str, output: Path | None) -> None:
    if output is None:
        click.echo(text, nl=False)
        return
    from t2local.system.atomic import atomic

    with atomic(output) as file:
        file.write(text)
    click.echo(f"Written to {output}", err=True)


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    faults = [f"{pair!r} has no =" for pair in values if "=" not in pair]
    if faults:
        raise UsageError(
            "A setting is NAME=VALUE:", faults=faults, next_step="for example --set trim.kappa=0.3"
        )
    return {name: value for name, _, value in (pair.partition("=") for pair in values)}
