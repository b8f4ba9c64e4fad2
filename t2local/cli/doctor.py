"""The command that checks an installation, and measures its machine: ``doctor``."""

from functools import partial
from pathlib import Path

import click

from t2local.cli import options
from t2local.cli.text import facts_text


@click.command()
@options.model
@options.form
@click.option(
    "--bench",
    "measure",
    is_flag=True,
    help="Measure for a minute or two which threads, rows side by side and attention are fastest "
    "for the model here; 'generate' then uses them.",
)
@click.option(
    "--offline-proof",
    is_flag=True,
    help="Generate rows without a network, watched from outside; the transcript goes to "
    "offline-proof.txt.",
)
def doctor(model: str | None, form: str, measure: bool, offline_proof: bool) -> None:
    """Check this installation: versions, CPU, devices, known problems, model, and a decode of two
    tokens.
    """
    from t2local.airgap.doctor import bench, examine

    if measure:
        bench(model, partial(click.echo, err=True))
    findings = examine(model)
    if offline_proof:
        from t2local.airgap.proof import prove

        findings |= prove(model, Path("offline-proof.txt"))
    options.render(findings, facts_text(findings), form)
