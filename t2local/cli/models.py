"""The commands that carry models: ``models`` and ``bundle``."""

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2local.cli import options
from t2local.cli.known_models import known_model
from t2local.cli.text import facts_text, finding_lines, model_list
from t2local.errors import ModelError, UsageError
from t2local.system.json_text import to_json
from t2local.system.offline import seal

if TYPE_CHECKING:
    from t2local.llm.catalog import Entry
    from t2local.llm.manifest import Manifest
    from t2local.llm.pull import Offer

_chat = click.option(
    "--chat",
    metavar="NAME|FILE",
    help="A chat format of the catalogue, or a Jinja template [the file's own].",
)


class _StoreCommand(click.Command):
    """Before it begins it names the manifests of the store that cannot be read."""

    def invoke(self, ctx: click.Context) -> Any:
        """Warn, then do as any command; ``--help`` does not come here."""
        _warn_of_unreadable_manifests()
        return super().invoke(ctx)


def _warn_of_unreadable_manifests() -> None:
    from t2local.llm.manifest import unreadable

    for error in unreadable():
        click.echo(f"Warning: {error}", err=True)


@click.group()
@click.pass_context
def models(context: click.Context) -> None:
    """The models that t2local knows, and those that are here."""
    if context.invoked_subcommand != "pull":
        seal()


models.command_class = _StoreCommand


@models.command("list")
@options.form
def list_models(form: str) -> None:
    """List the store and the catalogue: what is here, and what this machine can hold."""
    from t2local.llm.catalog import entries
    from t2local.llm.manifest import manifests

    stored = manifests()
    # A dictionary for its order: the catalogue first, and each name once.
    names = dict.fromkeys([*entries(), *stored])
    every = [known_model(name, stored.get(name)) for name in names]
    options.render(every, model_list(every), form)


@models.command()
@click.argument("name")
@options.form
def show(name: str, form: str) -> None:
    """Show what is known of a model of the store or the catalogue."""
    from t2local.llm.catalog import entries
    from t2local.llm.manifest import manifests

    manifest = manifests().get(name)
    if not manifest and name not in entries():
        raise ModelError(f"{name!r} is not known here.", next_step="python -m t2local models list")
    facts = to_json(known_model(name, manifest))
    if manifest:
        parts = zip(manifest.paths(), manifest.files, strict=True)
        files = [f"{path}  sha256 {part.sha256}" for path, part in parts]
        facts |= {**manifest.model_dump(mode="json"), "files": files}
    options.render(facts, facts_text(facts), form)


@models.command()
@click.argument("name", metavar="NAME | REPOSITORY FILE")
@click.argument("file", required=False)
@click.option("--revision", help="Branch, tag or commit [the catalogue's commit, or main].")
@click.option("--name", "own_name", help="What --model will take [the file's name].")
@_chat
@click.option("--yes", is_flag=True, help="Accept the licence.")
def pull(
    name: str,
    file: str | None,
    revision: str | None,
    own_name: str | None,
    chat: str | None,
    yes: bool,
) -> None:
    """Fetch a model of the catalogue, or a GGUF FILE of a hub REPOSITORY; the only command that
    uses the network.
    """
    entry = None if file else _entry(name)
    from t2local.llm.pull import pull as fetch

    repository, first = (entry.repository, entry.file) if entry else (name, file or "")
    agree = partial(_agree, yes)
    manifest = fetch(
        repository, first, agree, entry=entry, name=own_name, revision=revision, chat=chat
    )
    _report(manifest)


@models.command()
@click.argument("file", type=options.PATH)
@click.option("--link", is_flag=True, help="Leave the file where it is.")
@click.option("--name", help="What --model will take [the file's name].")
@_chat
def add(file: Path, link: bool, name: str | None, chat: str | None) -> None:
    """Take a GGUF FILE (the first, of several parts) into the store; a manifest FILE.json beside it
    is checked and kept.
    """
    from t2local.llm import store

    _report(store.add(file, link=link, name=name, chat=chat))


@models.command(cls=click.Command)  # what others warn of is a fault here
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> None:
    """Hash the models of the store anew, all or those named."""
    from t2local.llm import store
    from t2local.llm.manifest import unreadable

    faults = []
    if names:
        _warn_of_unreadable_manifests()
    else:
        faults = [error.message for error in unreadable()]
    checks = store.checkable()
    if unknown := [name for name in names if name not in checks]:
        raise ModelError(
            "The store does not have:", faults=unknown, next_step="python -m t2local models list"
        )
    for name in names or checks:
        try:
            checks[name](anew=True)
            click.echo(f"{name}: as it was")
        except ModelError as error:
            faults += [f"{name}: {error.message}", *error.faults]
    if faults:
        raise ModelError(
            "Some models are not what they were:",
            faults=faults,
            next_step="python -m t2local models rm NAME, then add or pull it again",
        )


@models.command()
@click.argument("name", metavar="NAME|FILE", default="starter")
@options.form
def check(name: str, form: str) -> None:
    """Try all that a run needs of a model: vocabulary, chat format, shared prompts, memory, speed.

    The result is kept in the manifest of a model of the store.
    """
    from t2local.llm.model_check import check_model, keep

    result = check_model(name)
    figures = {
        "name": result.file.name,
        "findings": result.findings,
        "speed": result.speed,
        "kept": keep(result),
    }
    options.render(figures, finding_lines(result.findings), form)
    if result.faults:
        raise ModelError(
            f"{result.file.name} does not have all that a run needs:",
            faults=result.faults,
            next_step=result.next_step,
        )


@models.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def rm(name: str, yes: bool) -> None:
    """Take a NAME out of the store, and delete its files unless another name has them too; a linked
    file stays where it is.
    """
    from t2local.llm import store

    planned = store.removal(name)
    question = f"Remove {name}? It frees {planned.bytes / 1e6:,.0f} MB"
    if sys.stdin.isatty() and not yes and not click.confirm(question, err=True):
        raise UsageError("Nothing was removed.", next_step="python -m t2local models list")
    removed = store.remove(name)
    for path in removed.paths:
        click.echo(f"deleted {path}")
    if removed.shared:
        click.echo(f"its files stay, as {', '.join(removed.shared)} has them too")
    click.echo(f"freed {removed.bytes / 1e6:,.0f} MB")


@models.command()
@click.argument("name", default="starter")
def path(name: str) -> None:
    """Print where a model lies, after checking its hash."""
    from t2local.llm.store import find

    click.echo(find(name).path)


@click.command()
@click.option(
    "-o",
    "--output",
    type=options.PATH,
    required=True,
    help="Folder of the kit; it must not exist.",
)
@click.option(
    "--model",
    "names",
    multiple=True,
    metavar="NAME",
    help="A model of the store to take along; repeatable [starter].",
)
@click.option(
    "--wheel",
    "wheels",
    multiple=True,
    type=options.PATH,
    help="A wheel to take instead of pip's, such as a CUDA build of llama-cpp-python; repeatable.",
)
def bundle(output: Path, names: tuple[str, ...], wheels: tuple[Path, ...]) -> None:
    """Collect all that a machine like this one needs to run t2local without a network; pip fetches
    the packages.
    """
    from t2local.airgap.bundle import make_kit

    kit = make_kit(output, names or ("starter",), wheels)
    size = f"{kit.bytes / 1e6:,.0f} MB"
    click.echo(f"{output}: {kit.n_packages} packages, {', '.join(kit.models)}, {size}")
    click.echo(f"Carry the folder over, and run beside it: python3 {output.name}/install.py")


def _entry(name: str) -> "Entry":
    """A model of the catalogue that can be fetched."""
    from t2local.llm.catalog import entries

    entry = entries().get(name)
    if entry is None:
        raise UsageError(
            f"{name!r} is not in the catalogue.",
            next_step="pass one of 'python -m t2local models list', or OWNER/NAME and FILE.gguf",
        )
    if not entry.repository:
        raise UsageError(f"{name} comes with pip.", next_step=f"pip install 't2local[{name}]'")
    return entry


def _agree(yes: bool, offer: "Offer") -> bool:
    """Show what will be fetched, and ask about the licence unless it was accepted already."""
    size = sum(part.bytes for part in offer.files) / 1e6
    click.echo(
        f"{offer.repository} at {offer.commit}: {len(offer.files)} file(s), {size:,.0f} MB\n"
        f"licence: {offer.licence}",
        err=True,
    )
    # A script has nobody to ask: without --yes it gets no model.
    if yes or not sys.stdin.isatty():
        return yes
    return click.confirm("Do you accept this licence?", err=True)


def _report(manifest: "Manifest") -> None:
    """Where a new model lies, and how to use it."""
    first = manifest.files[0]
    click.echo(f"{manifest.name}: {manifest.paths()[0]}")
    click.echo(f"sha256 {first.sha256}; licence: {manifest.licence}")
    click.echo(f"Next: python -m t2local generate data.csv --model {manifest.name}")
