"""t2local: good synthetic rows for a small table, offline, with local language models.

    import t2local
    result = t2local.generate(df, target="y", rows=200)
    result.synthetic, result.rejected, result.augmented, result.report

Imports run downward only; nothing below knows what is above it:

    cli | api
    fitted     | oversampler
    pipeline
    run        | airgap
    team       | trim   | evaluate
    llm        | tables
    settings
    stats      | system | events
    errors
"""

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2local.api import describe, evaluate, fit, generate, load, load_team, plan, trim
    from t2local.errors import T2LocalError
    from t2local.events import Decision, Notice, Progress
    from t2local.fitted import FittedTeam
    from t2local.llm.scripted import ScriptedModel
    from t2local.oversampler import OverSampler
    from t2local.run.result import Result
    from t2local.settings import Settings
    from t2local.tables.dictionary import Feature, FeatureDictionary
    from t2local.team.plan import Plan

#: Where each public name lives. A name is imported when it is used, because
#: 'python -m t2local --help' must not wait for pandas.
_HOMES = {
    "T2LocalError": "t2local.errors",
    "ScriptedModel": "t2local.llm.scripted",
    "Decision": "t2local.events",
    "Notice": "t2local.events",
    "Progress": "t2local.events",
    "FittedTeam": "t2local.fitted",
    "OverSampler": "t2local.oversampler",
    "Result": "t2local.run.result",
    "describe": "t2local.api",
    "evaluate": "t2local.api",
    "fit": "t2local.api",
    "generate": "t2local.api",
    "load": "t2local.api",
    "load_team": "t2local.api",
    "plan": "t2local.api",
    "Settings": "t2local.settings",
    "Feature": "t2local.tables.dictionary",
    "FeatureDictionary": "t2local.tables.dictionary",
    "Plan": "t2local.team.plan",
    "trim": "t2local.api",
}
#: Names of version 0.1 that are not the field's words; they stay for one version.
_RENAMED = {"Decided": "Decision", "Noticed": "Notice"}
__all__ = [
    "Decision",
    "Feature",
    "FeatureDictionary",
    "FittedTeam",
    "Notice",
    "OverSampler",
    "Plan",
    "Progress",
    "Result",
    "ScriptedModel",
    "Settings",
    "T2LocalError",
    "describe",
    "evaluate",
    "fit",
    "generate",
    "load",
    "load_team",
    "plan",
    "trim",
]


def __getattr__(name: str) -> Any:
    if name in _RENAMED:
        message = f"t2local.{name} is now t2local.{_RENAMED[name]}"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return __getattr__(_RENAMED[name])
    if name not in _HOMES:
        raise AttributeError(f"module 't2local' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names, for the completion of a notebook."""
    return [*__all__]


def _function(name: str) -> property:
    """A function as a property of this package, which no import of a package replaces."""
    return property(lambda _: __getattr__(name), lambda *_: None)


class _Package(ModuleType):
    """`t2local` itself: two of its functions have the names of packages in it.

    An import makes a package an attribute of the one that it is in, and would hide the function.
    """

    trim = _function("trim")
    evaluate = _function("evaluate")


sys.modules[__name__].__class__ = _Package
