"""t2local: good synthetic rows for a small table, offline, with local language models.

    import t2local
    result = t2local.generate(df, target="y", rows=200)
    result.synthetic, result.rejected, result.augmented, result.report

Imports run downward only; nothing below knows what is above it:

    cli
    pipeline
    run        | airgap
    team       | trim   | evaluate
    llm        | tables
    settings
    stats      | system | events
    errors
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2local.errors import T2LocalError
    from t2local.evaluate.report import evaluate
    from t2local.events import Decision, Notice, Progress
    from t2local.llm.scripted import ScriptedModel
    from t2local.pipeline import describe, generate, plan
    from t2local.run.result import Result
    from t2local.settings import Settings
    from t2local.tables.dictionary import Feature, FeatureDictionary
    from t2local.team.plan import Plan
    from t2local.trim.plugin import trim

#: Where each public name lives. A name is imported when it is used, because
#: 'python -m t2local --help' must not wait for pandas.
_HOMES = {
    "T2LocalError": "t2local.errors",
    "ScriptedModel": "t2local.llm.scripted",
    "Decision": "t2local.events",
    "Notice": "t2local.events",
    "Progress": "t2local.events",
    "Result": "t2local.run.result",
    "describe": "t2local.pipeline",
    "evaluate": "t2local.evaluate",
    "generate": "t2local.pipeline",
    "plan": "t2local.pipeline",
    "Settings": "t2local.settings",
    "Feature": "t2local.tables.dictionary",
    "FeatureDictionary": "t2local.tables.dictionary",
    "Plan": "t2local.team.plan",
    "trim": "t2local.trim",
}
#: Names of version 0.1 that are not the field's words; they stay for one version.
_RENAMED = {"Decided": "Decision", "Noticed": "Notice"}
__all__ = [
    "Decision",
    "Feature",
    "FeatureDictionary",
    "Notice",
    "Plan",
    "Progress",
    "Result",
    "ScriptedModel",
    "Settings",
    "T2LocalError",
    "describe",
    "evaluate",
    "generate",
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
    module = import_module(_HOMES[name])
    if module.__name__ == f"{__name__}.{name}":
        return module  # t2local.trim and t2local.evaluate are packages that can be called
    return getattr(module, name)
