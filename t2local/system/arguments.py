"""Arguments of public functions, checked before they run: a wrong one is named in one line.

What an argument may be is what its annotation says; a whole number is 1 or more. Texts and paths
count as paths alike.
"""

import difflib
import inspect
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache, wraps
from numbers import Integral
from pathlib import Path
from types import UnionType
from typing import Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from t2local.errors import ArgumentError, T2LocalError

_Parameters = ParamSpec("_Parameters")
_Returned = TypeVar("_Returned")

_FRAME = "a DataFrame (pandas.DataFrame(...) makes one of other tables)"
_COUNT = "a whole number, 1 or more"
_BOOLEAN = "True or False"
_MODEL = "the name of a model, the path of a GGUF file, or a loaded model"
#: What an argument takes, as people say it.
_TAKES = {
    "data": f"{_FRAME}, or the path of a file",
    "real": _FRAME,
    "synthetic": _FRAME,
    "holdout": _FRAME,
    "target": "the name of a column, as a text",
    "rows": _COUNT,
    "seed": _COUNT,
    "batch_size": _COUNT,
    "max_batches": _COUNT,
    "dictionary": "a FeatureDictionary, or the path of its file",
    "knowledge": "what a model believes, as 'ask' gives it, or the path of its file",
    "codebook": "the path of a file",
    "plan": '"manager", "data", a Plan, or the path of its file',
    "source": '"manager" or "data"',
    "model": _MODEL,
    "manager_model": _MODEL,
    "where": 'a list of texts, as ["sex=F", "age>=65"], or a dict, as {"sex": "F"}',
    "balance": '"uniform", or a dict of shares that sum to 1, as {"yes": 0.3, "no": 0.7}',
    "preset": '"default" or "paper"',
    "settings": 'a dict, as {"trim.purpose": "share"}, or Settings',
    "out": "the path of a folder",
    "folder": "the path of a folder",
    "replace": _BOOLEAN,
    "resume": _BOOLEAN,
    "progress": _BOOLEAN,
    "on_event": "a function that takes an event",
}
#: An option of the command line in a message, with its value where it has one.
_OPTION = re.compile(
    r"(?<![\w-])--(?:set ([a-z]+\.[a-z_]+)=(\w[\w.]*\b)?"
    r"|([a-z]+(?:-[a-z]+)*)(?: (none|all|share|data|\d+)\b)?)"
)
#: The command of a terminal in a message, where Python has a function for it.
_COMMAND = re.compile(r"'?(?:python -m )?t2local (describe|plan)\b(?: data\.csv)?(?: -o [\w.]+)?'?")
#: What any other command begins with: the options after it are its own.
_TERMINAL = "python -m t2local"
_NUMBER = re.compile(r"\d+(\.\d+)?")
#: Options that are settings in Python, with their value where they have none of their own.
_SETTINGS = {
    "examples": "team.examples",
    "purpose": "trim.purpose",
    "keep": "trim.keep",
    "min-count": "table.min_count",
    "sheet": "table.sheet",
    "no-header": "table.first_line=data",
    "drop": "table.left_out=dropped",
}


def checked(function: Callable[_Parameters, _Returned]) -> Callable[_Parameters, _Returned]:
    """The function, with its arguments checked and its errors in the words of Python.

    **Raises** `ArgumentError` for an argument that is not there, or not of its type.
    """

    @wraps(function)
    def checking(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Returned:
        parameters = _signature(function).parameters
        _check_names(function.__qualname__, parameters, list(kwargs))
        for name, value in _bound(function, args, kwargs).items():
            _check(function.__qualname__, name, value, parameters[name].annotation)
        try:
            return function(*args, **kwargs)
        except T2LocalError as error:
            error.message, error.next_step = map(_in_python, (error.message, error.next_step))
            error.faults = tuple(map(_in_python, error.faults))
            raise

    return checking


def _bound(function: Callable[..., object], args: Any, kwargs: Any) -> dict[str, Any]:
    """The values of the arguments by their names."""
    try:
        return _signature(function).bind(*args, **kwargs).arguments
    except TypeError as error:
        next_step = f"help(t2local.{function.__qualname__})"
        raise ArgumentError(f"{function.__qualname__}(): {error}.", next_step=next_step) from None


@cache
def _signature(function: Callable[..., object]) -> inspect.Signature:
    return inspect.signature(function)


def _check_names(function: str, parameters: Iterable[str], names: Iterable[str]) -> None:
    for name in names:
        if name not in parameters:
            similar = difflib.get_close_matches(name, parameters, n=1)
            hint = "".join(f"; did you mean {each}?" for each in similar)
            raise ArgumentError(
                f"{function}() has no argument {name!r}{hint}",
                next_step=f"help(t2local.{function})",
            )


def _check(function: str, name: str, value: object, annotation: Any) -> None:
    if _is_a(value, annotation):
        return
    kind = type(value).__name__
    given = f"this is {value!r}" if isinstance(value, int | float) else f"this is of type {kind}"
    takes = _TAKES.get(name, str(annotation))
    raise ArgumentError(f"{name} takes {takes}; {given}.", next_step=f"help(t2local.{function})")


def _is_a(value: Any, annotation: Any) -> bool:
    """Whether a value is what an annotation says, so far as it says a type."""
    if annotation in (Any, inspect.Parameter.empty) or isinstance(annotation, str):
        return True
    kind, parts = get_origin(annotation) or annotation, get_args(annotation)
    if kind in (Union, UnionType):
        return any(_is_a(value, part) for part in parts)
    if kind in _CHECKS:
        return _CHECKS[kind](value, parts)
    return isinstance(value, kind)


def _is_list(value: Any, parts: tuple[Any, ...]) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str | bytes)
    return is_list and all(_is_a(part, parts[0]) for part in value)


def _is_count(value: Any, _: tuple[Any, ...]) -> bool:
    """Of numpy's numbers too; whether it counts something or is a seed, it is positive."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


#: The kinds of annotations that mean more, or less, than ``isinstance``.
_CHECKS: dict[Any, Callable[[Any, tuple[Any, ...]], bool]] = {
    int: _is_count,
    Path: lambda value, _: isinstance(value, os.PathLike),
    Literal: lambda value, parts: isinstance(value, str) and value in parts,
    Sequence: _is_list,
}


def _in_python(text: str) -> str:
    """A message with arguments in place of options, and functions in place of commands."""
    words, command, its_options = _COMMAND.sub(r"t2local.\1(data)", text).partition(_TERMINAL)
    return _OPTION.sub(_argument, words) + command + its_options


def _argument(option: re.Match[str]) -> str:
    setting, set_value, name, own_value = option.groups()
    alone, _, fixed_value = _SETTINGS.get(name, "").partition("=")
    value = set_value or own_value or fixed_value
    if value and not _NUMBER.fullmatch(value):
        value = f'"{value}"'
    if setting := setting or alone:
        return f'settings={{"{setting}": {value or "..."}}}'
    argument = str(name).replace("-", "_")
    return f"{argument}={value}" if value else argument
