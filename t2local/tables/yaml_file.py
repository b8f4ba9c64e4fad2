"""YAML files of people: read safely, and where in them something stands."""

from typing import Any

import yaml

from t2local.errors import InputError

#: Where in a file: keys of mappings, and places in lists.
Path = tuple[str | int, ...]


def parse(
    text: str, source: str, error_type: type[InputError], next_step: str
) -> tuple[yaml.Node | None, Any]:
    """The nodes of a YAML text, which know their lines, and what it says.

    **Raises** ``error_type`` where it is not YAML, or has aliases.
    """
    try:
        _refuse_aliases(text)
        return yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # ValueError: a date such as 2021-02-30; RecursionError: thousands of nested brackets.
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "not YAML"
        raise error_type(
            f"{source} is not readable YAML:", faults=[f"{where}{problem}"], next_step=next_step
        ) from None


def _refuse_aliases(text: str) -> None:
    """A few lines of nested aliases can unfold to gigabytes."""
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        if isinstance(token, yaml.AliasToken):
            raise yaml.scanner.ScannerError(None, None, "aliases are not allowed", token.start_mark)


def place(node: yaml.Node | None, path: Path) -> str:
    """Line and column of the deepest part of the path that the file has."""
    for key in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == str(key)), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
    if node is None:
        return "line 1"
    return f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"
