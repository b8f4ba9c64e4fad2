"""Results for people: summaries, forecasts, facts. Knows no command and no terminal."""

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from t2local.cli.known_models import KnownModel
    from t2local.events import Decision, Progress
    from t2local.llm.model_check import Finding
    from t2local.system.json_text import JsonObject

#: Reasons of rejection in a summary; rejected.csv and report.json have all of them.
_REASONS_SHOWN = 5
_MEGABYTE = 1e6


def decision_line(decision: "Decision") -> str:
    """What was decided, and why."""
    return f"{decision.what}: {decision.value} ({decision.reason})"


def note_line(message: str) -> str:
    """What a person should know."""
    return f"note: {message}"


def plain(progress: "Progress") -> str:
    """Where a run is, as a person beside it wants to know."""
    return f"{_rows(progress.written)} written, {progress.kept} of {progress.wanted} kept"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def progress_line(progress: "Progress") -> str:
    """Where a run is, in one line of a log."""
    text = plain(progress)
    if stages := stage_counts(progress.rejected_by):
        text += f" (rejected: {stages})"
    text += f", {progress.tokens_per_second:.0f} tokens/s"
    if progress.seconds_left is not None:
        text += f", about {progress.seconds_left:.0f} s left"
    return text


def stage_counts(rejected_by: Mapping[str, int]) -> str:
    """Rejected rows by stage, without the stages that rejected none."""
    return ", ".join(f"{stage} {count}" for stage, count in rejected_by.items() if count)


def run_summary(report: "JsonObject", out: Path) -> str:
    """What a run of `t2local.generate` gave, in three answers, and where to look next."""
    from t2local.trim.conclusion import answer_lines

    return "\n".join([*answer_lines(report), _where_to_look(out)])


def trim_summary(report: "JsonObject", out: Path) -> str:
    """What `t2local.trim` kept of the rows of another generator, from its report."""
    from t2local.trim.conclusion import answer_lines

    return "\n".join([*answer_lines(report), *_top_reasons(report), _where_to_look(out)])


def evaluation_summary(report: "JsonObject", figures: str, out: Path) -> str:
    """What `t2local.evaluate` measured: the figures, then the answers, and where to look next."""
    from t2local.trim.conclusion import answer_lines

    where = (
        f"Look at {out / 'report.html'} in a browser: its end says what the words mean. "
        "What each figure means: docs/method.md, Evaluation."
    )
    return "\n".join([figures, *answer_lines(report), where])


def _where_to_look(out: Path) -> str:
    return (
        f"Look at {out / 'report.html'} in a browser. The rows are in {out / 'synthetic.csv'}, "
        f"those that were rejected, each with its reason, in {out / 'rejected.csv'}."
    )


def forecast_text(forecast: Mapping[str, float]) -> str:
    """What a run would take, from the numbers of `t2local.run.forecast`."""
    n_new = forecast["prompt"] - forecast["stable"]
    weights = forecast["weight_bytes"] / _MEGABYTE
    context = forecast["context_bytes"] / _MEGABYTE
    lines = {
        "prompt": f"{forecast['prompt']:,} tokens, the same for the whole team; "
        f"{n_new:,} of them new with every set of examples",
        "row": f"{forecast['row']:.0f} tokens",
        # 450 MB: Python with its libraries and llama.cpp's working memory, measured with the
        # starter model.
        "memory": f"{weights:,.0f} MB of weights, {context:,.0f} MB for "
        f"{forecast['context']:,} tokens; about 450 MB more",
        "speed": f"{forecast['prompt_speed']:,.0f} tokens/s of the prompt, "
        f"{forecast['row_speed']:,.0f} of rows, measured for 2 seconds",
        "time": f"{forecast['seconds']:,.0f} s for {forecast['rows']} rows if no batch is refused",
        "at most": f"{forecast['seconds_at_most']:,.0f} s, for {forecast['rows_at_most']} rows",
    }
    return "\n".join(f"{name:<10}{text}" for name, text in lines.items())


def wrapped(text: str, stream: TextIO | None) -> str:
    """A text whose lines end between words where it goes to a terminal; else as it is."""
    if stream is None or not stream.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(_filled(line, width) for line in text.split("\n"))


def _filled(line: str, width: int) -> str:
    if len(line) <= width or "  " in line.strip():  # a table has columns
        return line
    indent = " " * (len(line) - len(line.lstrip()))
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def facts_text(facts: Mapping[str, object]) -> str:
    """Names and values, one line for each value of a list."""
    return "\n".join(f"{name:<18}{line}" for name, line in _lines(facts))


def model_list(models: Sequence["KnownModel"]) -> str:
    """Two lines for each model: what it is, and whether it fits this machine."""
    return "\n".join(line for model in models for line in _model_lines(model))


def finding_lines(findings: Sequence["Finding"]) -> str:
    """One line for each property of a model that was tried."""
    words = {True: "pass", False: "does not hold"}
    return "\n".join(f"{f.name:<16}{words[f.holds]:<15}{f.detail}" for f in findings)


def _model_lines(model: "KnownModel") -> tuple[str, str]:
    place = "here" if model.here else "-"
    fit = "fits" if model.fits else "does not fit"
    licence, _, _ = model.licence.partition(" (")  # its address is long: 'models show' has it
    facts = "; ".join(filter(None, (model.fits_reason, licence, model.checked or model.measured)))
    size = f"{model.parameters:>6}{model.bytes / _MEGABYTE:>8,.0f} MB"
    return (
        f"{model.name:<16}{place:<6}{size}  {model.good_for}",
        f"{'':<16}{fit}: {facts}",
    )


def _top_reasons(report: "JsonObject") -> list[str]:
    reasons = list(report["reasons"].items())
    return [f"  {count:>5}  {reason}" for reason, count in reasons[:_REASONS_SHOWN]]


def _lines(facts: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in facts.items():
        if isinstance(value, list):
            yield from ((name, line) for line in value)
        else:
            yield name, value
