"""The quality stages, in order. A further stage is a module with a ``judge``, and one line here."""

from collections.abc import Callable
from dataclasses import dataclass

from t2local.errors import UsageError
from t2local.settings import TrimSettings
from t2local.trim import choice, cost, diversity, sanity
from t2local.trim.result import StageResult
from t2local.trim.state import Batch, TrimState


@dataclass(frozen=True)
class Stage:
    """A test of the rows of a batch that are still kept.

    ``judges_new_classes``: whether it can judge rows of a class that no real row has.
    ``overrulable``: whether its rows are kept all the same with ``trim.keep=all``.
    """

    name: str
    judge: Callable[[Batch, TrimState], StageResult]
    judges_new_classes: bool = False
    overrulable: bool = False


STAGES: tuple[Stage, ...] = (
    Stage("sanity", sanity.judge, judges_new_classes=True),
    Stage("cost", cost.judge, overrulable=True),
    Stage("diversity", diversity.judge, overrulable=True),
    Stage("choice", choice.judge, judges_new_classes=True),
)


def stages_of(settings: TrimSettings) -> tuple[Stage, ...]:
    """The stages that the settings choose: all, or those of ``trim.stages``, always in our order.

    **Raises** `UsageError` for a name that no stage has.
    """
    if settings.stages is None:
        return STAGES
    names = [stage.name for stage in STAGES]
    unknown = [f"trim.stages: there is no stage {n!r}" for n in settings.stages if n not in names]
    if unknown:
        next_step = f"choose among: {', '.join(names)}"
        raise UsageError("Some stages are not known:", faults=unknown, next_step=next_step)
    return tuple(stage for stage in STAGES if stage.name in settings.stages)
