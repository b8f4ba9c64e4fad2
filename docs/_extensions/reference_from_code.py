"""Three directives that write a reference from the code: ``cli``, ``settings`` and ``public-api``.

Nothing is copied by hand, so a page of the reference cannot say what the code does not.
"""

import inspect
import typing
from collections.abc import Iterator
from typing import Any

import click
from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class _Generated(SphinxDirective):
    """A directive whose content is the text of ``lines``, in the markup of its page."""

    has_content = False

    def lines(self) -> Iterator[str]:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        content = StringList([line for text in self.lines() for line in text.split("\n")], "code")
        parent = nodes.section()
        self.state.nested_parse(content, self.content_offset, parent, match_titles=True)
        return parent.children


class CommandLine(_Generated):
    """Every command with its arguments and options; the text is Markdown."""

    def lines(self) -> Iterator[str]:
        from t2local.cli import main

        yield from _command(main, "python -m t2local")


def _command(command: click.Command, name: str) -> Iterator[str]:
    context = click.Context(command, info_name=name)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    yield f"## `{name}`\n\n{inspect.cleandoc(command.help or '')}\n\n```text\n{usage}\n```\n"
    options = [option for option in command.params if isinstance(option, click.Option)]
    if options:
        yield "| option | what it does | default |\n|---|---|---|"
        yield from (_option(option, context) for option in options)
        yield ""
    if command.epilog:
        yield f"{inspect.cleandoc(command.epilog)}\n"
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            yield from _command(command.commands[part], f"{name} {part}")


def _option(option: click.Option, context: click.Context) -> str:
    value = "" if option.is_flag else f" {option.make_metavar(context)}"
    words = f"`{', '.join(option.opts)}{value}`".replace("|", "\\|")
    # Square brackets at the end of a help text say what is taken when the option is not there.
    text, _, fallback = (option.help or "").partition(" [")
    default = option.default if option.show_default else fallback.rstrip("].")
    return f"| {words} | {text} | {default} |"


class SettingsTable(_Generated):
    """Every setting with its default, its bounds and its description; the text is Markdown."""

    def lines(self) -> Iterator[str]:
        from t2local.settings import Settings

        for group, info in Settings.model_fields.items():
            model = info.annotation
            assert model is not None
            yield f"## `{group}`\n\n{inspect.cleandoc(model.__doc__ or '')}\n"
            yield "| name | default | allowed | what it does |\n|---|---|---|---|"
            yield from (
                _setting(f"{group}.{name}", field) for name, field in model.model_fields.items()
            )
            yield ""


def _setting(name: str, field: Any) -> str:
    default = "none" if field.default is None else field.default
    return f"| `{name}` | `{default}` | {_allowed(field)} | {field.description} |"


def _allowed(field: Any) -> str:
    choices = typing.get_args(field.annotation)
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
    bounds = {
        sign: getattr(bound, sign)
        for bound in [*field.metadata, *getattr(field.annotation, "__metadata__", ())]
        for sign in signs
        if getattr(bound, sign, None) is not None
    }
    return ", ".join(f"{signs[sign]} {bound}" for sign, bound in bounds.items())


class PublicApi(_Generated):
    """All of ``t2local.__all__`` and what its functions return; the text is reStructuredText."""

    def lines(self) -> Iterator[str]:
        import t2local

        results: dict[str, type] = {}
        for name in sorted(t2local.__all__, key=lambda name: (name[0].isupper(), name.lower())):
            value = getattr(t2local, name)
            if isinstance(value, type):
                yield from _class(f"t2local.{name}")
                continue
            yield f".. autofunction:: t2local.{name}\n"
            result = typing.get_type_hints(value)["return"]
            if result.__name__ not in t2local.__all__:
                results[f"{result.__module__}.{result.__qualname__}"] = result
        for path in results:
            yield from _class(path)


def _class(path: str) -> Iterator[str]:
    yield f".. autoclass:: {path}\n   :members:\n   :exclude-members: model_config\n"


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the directives known."""
    directives: dict[str, type[Directive]] = {
        "cli": CommandLine,
        "settings": SettingsTable,
        "public-api": PublicApi,
    }
    for name, directive in directives.items():
        app.add_directive(name, directive)
    return {"parallel_read_safe": True}
