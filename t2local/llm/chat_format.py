"""Which chat format a file has: the one of its own template, or one that a person chose.

A template is compiled in a child process (`checks.compile_apart`); what comes of it is data.
"""

from dataclasses import replace
from pathlib import Path

from t2local.errors import ModelError
from t2local.llm.catalog import ChatFormat, Thought, chat_formats
from t2local.llm.checks import compile_apart
from t2local.llm.gguf import Header


def format_of(
    path: Path, header: Header, choice: str | None, origin: str | ChatFormat | None
) -> str | ChatFormat:
    """The format for a manifest: a person's choice, else its origin's, else the file's."""
    if choice:
        return chosen_format(choice, header)
    return origin or own_format(path, header)


def own_format(path: Path, header: Header) -> ChatFormat:
    """The format of the template in a file's header; plain for a base model, which has none.

    **Raises** `ModelError` for a template that cannot be compiled.
    """
    if not header.template:
        return replace(chat_formats()["plain"], reason="a base model: it has no chat template")
    try:
        return _compiled(header.template, "the template in the file", header)
    except ValueError as error:
        raise ModelError(
            f"The chat template in {path.name} cannot be used: {error}.",
            next_step=f"python -m t2local models add '{path}' --chat NAME, with a template FILE or "
            f"one of {', '.join(chat_formats())}",
        ) from error


def chosen_format(choice: str, header: Header | None = None) -> ChatFormat:
    """The format of a name or a Jinja file, as ``--chat`` takes them.

    **Parameters:**

    * **header**: of the model; none while it is not here yet: then this is a check of the choice.

    **Raises** `ModelError` that lists the names.
    """
    if choice in chat_formats():
        return replace(chat_formats()[choice], reason="chosen with --chat")
    path = Path(choice)
    try:
        return _compiled(path.read_text(encoding="utf-8"), path.name, header)
    except OSError:
        problem = f"{choice!r} is neither the name of a chat format nor a file that can be read"
    except ValueError as error:
        problem = f"The chat template {choice} cannot be used: {error}"
    raise ModelError(
        f"{problem}.", next_step=f"pass a Jinja file, or one of {', '.join(chat_formats())}"
    )


def _compiled(template: str, source: str, header: Header | None) -> ChatFormat:
    """**Raises** `ValueError` that says why a template cannot be compiled."""
    begin, end = (header.begin, header.end) if header else ("", "")
    pieces = compile_apart(template, begin, end)
    reason = "; ".join(filter(None, [f"compiled from {source}", pieces["note"]]))
    thought = Thought(*pieces["thought"]) if pieces["thought"] else None
    return ChatFormat(
        "template", pieces["opening"], pieces["closing"], reason, pieces["trim"], thought
    )
