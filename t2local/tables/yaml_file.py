"""YAML files that a person edits: written, and read back with their places, as JSON is too.

Reading has limits: no tags, no aliases, no deep nests. Dates, and numbers that are not in their
shortest form, stay texts: a level 010 is no 8, 1.50 no 1.5, and 2021-03-04 is what stands there.
Whoever wants a number makes one of the text.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

from t2local.errors import InputError

#: A dictionary has five levels of brackets and indents. Each costs the parser a call in a call.
_MOST_NESTED = 50
_OPENING = (
    yaml.FlowSequenceStartToken,
    yaml.FlowMappingStartToken,
    yaml.BlockSequenceStartToken,
    yaml.BlockMappingStartToken,
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
_REFUSED = {yaml.AliasToken: "aliases are not allowed", yaml.TagToken: "tags are not allowed"}
_WHOLE = re.compile(r"(0|-?[1-9][0-9]{0,17})\Z")
#: Where in a file: keys of mappings, and places in lists.
KeyPath = tuple[str | int, ...]
#: Where in a file, and what is wrong there.
Fault = tuple[KeyPath, str]


class YamlFault(ValueError):
    """What is wrong with a text, and where; it quotes nothing of it."""


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, for which few words are anything but text."""


_Loader.yaml_implicit_resolvers = {
    first: kept
    for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
    if (kept := [pair for pair in pairs if pair[0].rpartition(":")[2] in ("bool", "null")])
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE, list("-0123456789"))


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, with quotes around NEL and the Unicode line separators.

    PyYAML reads these as blanks where they stand without quotes.
    """

    def represent_text(self, text: str) -> yaml.Node:
        style = '"' if re.search("[\x85\u2028\u2029]", text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)


def yaml_text(comment: str, fields: Mapping[str, object]) -> str:
    """Fields as a YAML file that a person can edit, with a comment on top."""
    text = yaml.dump(dict(fields), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return f"# {comment}\n{text}"


def read_yaml(text: str) -> tuple[yaml.Node | None, Any]:
    """The nodes of a text, which know their lines, and what it says. JSON is read as such.

    **Raises** `YamlFault`.
    """
    try:
        _check_tokens(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        content = loader.construct_document(node) if node else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise YamlFault(place + (getattr(error, "problem", None) or "not YAML")) from None
    except (ValueError, RecursionError):
        raise YamlFault("not YAML") from None
    return node, _json(text, otherwise=content)


def parse(
    text: str, source: str, error_type: type[InputError], next_step: str
) -> tuple[yaml.Node | None, Any]:
    """The nodes of the text of a file, and what it says; **raises** ``error_type``."""
    try:
        return read_yaml(text)
    except YamlFault as fault:
        raise error_type(
            f"{source} is not readable YAML:", faults=[str(fault)], next_step=next_step
        ) from None


def place(node: yaml.Node | None, path: KeyPath) -> str:
    """Line and column of the deepest part of the path that the file has."""
    for key in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == str(key)), node)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
    if node is None:
        return "line 1"
    return f"line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"


def _json(text: str, otherwise: Any) -> Any:
    r"""A text of JSON as JSON, in which ``\ud83d\ude00`` is one character, unlike in YAML."""
    if not text.lstrip().startswith("{"):
        return otherwise
    try:
        return json.loads(text, parse_float=str, parse_constant=str)
    except ValueError:
        return otherwise


def _check_tokens(text: str) -> None:
    """Few lines of nested aliases can unfold to gigabytes, and brackets take the stack."""
    depth = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        problem = _REFUSED.get(type(token))
        if depth > _MOST_NESTED:
            problem = f"more than {_MOST_NESTED} levels of brackets and indents"
        if problem:
            raise yaml.scanner.ScannerError(None, None, problem, token.start_mark)
