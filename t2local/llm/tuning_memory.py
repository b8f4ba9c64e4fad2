"""What was measured to be fastest for a model on a machine, kept for later runs.

``doctor --bench`` measures it (`t2local.llm.tuning_bench`). The file lies beside the model store.
An entry holds for one model (by its hash) on one machine with one build of llama.cpp, and is
ignored elsewhere: the store may be a folder that several machines share.
"""

import json
from pathlib import Path
from statistics import median
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from t2local.events import Decision
from t2local.llm.machine import MachineIdentity, identity
from t2local.llm.manifest import make_folder
from t2local.settings import state_home
from t2local.system.atomic import atomic

#: The bound of `decoder.slots`.
MAX_SLOTS = 240


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Comparison(_Frozen):
    """How fast one way was beside another.

    **Parameters:**

    * **what**: the two ways, such as "threads 1 instead of 2".
    * **speeds**: of the first as a multiple of the second, once for each time that both were
      measured in turn; none: the time was over before.
    * **taken**: whether runs now go the first way.
    """

    what: str
    speeds: tuple[float, ...] = ()
    taken: bool = False

    def __str__(self) -> str:
        if not self.speeds:
            return f"{self.what}: not measured, the time was over"
        text = (
            f"{self.what}: {median(self.speeds):.2f} times as fast "
            f"({min(self.speeds):.2f} to {max(self.speeds):.2f} in {len(self.speeds)} pairs)"
        )
        return text + ", taken" * self.taken


class Tuning(_Frozen):
    """What is faster than the rules of `t2local.llm.machine`; nothing, where none was beaten.

    **Parameters:**

    * **date**: of the measurement.
    * **threads**, **slots**, **flash_attention**: 0 or empty: the rule stays.
    * **comparisons**: all that was measured.
    """

    date: str = ""
    threads: int = Field(0, ge=0, le=1024)
    slots: int = Field(0, ge=0, le=MAX_SLOTS)
    flash_attention: Literal["", "on", "off"] = ""
    comparisons: tuple[Comparison, ...] = ()

    def apply(self, rule: Decision, value: int | str, *, requested: bool = False) -> Decision:
        """The measured value in place of a rule's, where one was faster and none asked for."""
        if requested or not value:
            return rule
        return Decision(rule.what, value, f"measured on this machine on {self.date}")


#: For a model that was not measured here.
UNTUNED = Tuning()


class _Entry(_Frozen):
    model: str
    machine: MachineIdentity
    tuning: Tuning


class _File(_Frozen):
    format: Literal[1] = 1
    entries: tuple[_Entry, ...] = ()


def path() -> Path:
    """The file of all measurements; without it the rules hold."""
    return state_home() / "tuning.json"


def recall(sha256: str) -> Tuning:
    """What was measured for this model on this machine.

    `UNTUNED` where nothing was, or where the file cannot be read.
    """
    here = identity()
    for entry in _read().entries:
        if entry.model == sha256 and entry.machine == here:
            return entry.tuning
    return UNTUNED


def remember(sha256: str, tuning: Tuning) -> None:
    """Keep a measurement in place of an earlier one.

    **Raises** `ResourceError` when the file cannot be written.
    """
    here = identity()
    others = tuple(
        entry for entry in _read().entries if (entry.model, entry.machine) != (sha256, here)
    )
    file = _File(entries=(*others, _Entry(model=sha256, machine=here, tuning=tuning)))
    make_folder()
    with atomic(path()) as stream:
        json.dump(file.model_dump(mode="json"), stream, indent=1)


def _read() -> _File:
    """The file; empty where there is none, or one that another version wrote."""
    try:
        return _File.model_validate_json(path().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return _File()
