"""Every setting once: what it does, its unit, its bounds and its default.

A setting is reached by ``--set trim.gate=utility``, by the environment
(``T2LOCAL_TRIM_GATE=utility``), or in Python by ``Settings.load({"trim.gate": "utility"})``. The
later of preset, environment and explicit value wins. Sections named below stand in the page on the
method; the paper is arXiv 2602.04785.
"""

import difflib
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from t2local.errors import UsageError


class _Group(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


#: Stage 2's tests: of a whole source, and of a batch.
Gate = Literal["source", "utility", "ig_refit", "ig_plugin", "predictive_entropy"]
Share = Annotated[float, Field(ge=0, le=1)]


class TableSettings(_Group):
    """How a table is read into a dictionary, and how its columns come back."""

    first_line: Literal["auto", "names", "data"] = Field(
        "auto",
        description="what the first line of a CSV file holds: names of the columns, or data "
        "already (`--no-header`); auto: what it looks like",
    )
    sheet: str = Field(
        "", description="the sheet of an Excel file (`--sheet`); empty: its first one"
    )
    left_out: Literal["blank", "dropped"] = Field(
        "blank",
        description="how columns come back that are not generated, such as free text: "
        "without a cell, or not at all (`--drop`)",
    )
    widen: float = Field(
        0.5,
        ge=0,
        le=10,
        description="a guessed range is the data's, "
        "wider by this many interquartile ranges on each side",
    )
    max_levels: int = Field(
        50,
        ge=2,
        le=1000,
        description="a text column with more distinct values than this is free text, "
        "not a category",
    )
    min_count: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="rows that a guessed level needs to stand in a dictionary (`--min-count`); "
        "rarer ones are pooled as other, but for steps of a scale. none: 5, and in a table of "
        "fewer than 100 rows a twentieth of them, 3 at least; 1: all levels stand there",
    )


class TeamSettings(_Group):
    """How the team writes rows (section "Team")."""

    conditioning: Literal["row", "parents"] = Field(
        "row",
        description="what a worker sees of a row: all cells so far, "
        "or those of its parents only (the paper; not with a recurrent model)",
    )
    labels: Literal["calibrated", "worker", "classifier"] = Field(
        "calibrated",
        description="who gives a label: the label worker (the paper), a model trained on the real "
        "rows, or a mixture of both with weights fitted on held-out real rows",
    )
    label_choice: Literal["shares", "likeliest", "drawn"] = Field(
        "shares",
        description="how labels follow from their probabilities: the likeliest ones under which "
        "the classes keep their shares, the likeliest of each row, or drawn at random",
    )
    cells: Literal["calibrated", "worker"] = Field(
        "calibrated",
        description="who writes a cell: the worker, or the worker or a model of the columns, "
        "at random with weights fitted on held-out real rows",
    )
    beliefs: Literal["auto", "always", "never"] = Field(
        "auto",
        description="whether the model is asked which columns raise or lower the target before it "
        "writes rows, where --knowledge does not say it; auto: a model whose answers were measured "
        "to be worth it (`models show`)",
    )
    examples: int = Field(
        20,
        ge=0,
        le=1000,
        description="real rows shown in the prompt (the paper: 10); "
        "0: none, only means and shares of 11 rows or more",
    )
    examples_for: int = Field(
        100,
        ge=1,
        le=100_000,
        description="rows written before other examples are drawn",
    )
    temperature: float = Field(
        1.0,
        ge=0,
        le=5,
        description="0: the most likely token; 1: a draw from the model's own distribution",
    )
    block_rows: int = Field(
        100,
        ge=1,
        le=10_000,
        description="rows written at most before they are judged: the unit of seed and retry",
    )
    attempts: int = Field(
        3,
        ge=1,
        le=20,
        description="times a row is tried when its decoding fails",
    )
    thinking_tokens: int = Field(
        0,
        ge=0,
        le=100_000,
        description="tokens that a manager whose chat format has thoughts may think for before "
        "it writes the plan; 0: it does not think",
    )


class DecoderSettings(_Group):
    """How llama.cpp runs (section "Decoder")."""

    slots: int = Field(
        0,
        ge=0,
        le=240,
        description="rows written side by side in one context; "
        "0: as `doctor --bench` measured, else by machine and model",
    )
    threads: int = Field(
        0,
        ge=0,
        le=1024,
        description="CPU threads; 0: as `doctor --bench` measured, "
        "else one for each physical core that this process may use",
    )
    flash_attention: Literal["auto", "on", "off"] = Field(
        "auto",
        description="whether llama.cpp uses flash attention; "
        "auto: as `doctor --bench` measured, else by the size of the context",
    )


class TrimSettings(_Group):
    """Which rows are kept (sections "Sanity" to "Loop")."""

    purpose: Literal["train", "share"] = Field(
        "train",
        description="train: rows that make a model better, of which the clearest are kept; "
        "share: rows that look like the table",
    )
    candidates: Annotated[float, Field(ge=1, le=20)] | None = Field(
        None,
        description="rows that pass the other stages for each row that is kept (null: 1.25, "
        "with purpose=share 1.5); the clearest of each class are chosen, "
        "with share those that are together most like the table",
    )
    keep: Literal["passed", "all"] = Field(
        "passed",
        description="all: rows that pass sanity are kept whatever the later stages say of them, "
        "and the verdict says what these say",
    )
    gate: Gate = Field(
        "source",
        description="stage 2's test: of all rows together (source), or of each batch "
        "(ig_*: the paper's information gain)",
    )
    model: Literal["logistic", "svm", "mlp", "forest", "several"] = Field(
        "logistic",
        description="the downstream model that stage 2 judges with; "
        "several: the mean of logistic and forest",
    )
    gate_sd: float | None = Field(
        None,
        ge=0,
        le=3,
        description="standard deviations above the control that a batch must reach; "
        "none: 0, and for the paper's gates by cross-validation",
    )
    significance_level: Annotated[float, Field(gt=0, le=1)] = Field(
        0.1,
        description="the utility gate refuses a batch whose labels fit its features no better "
        "than this share of random labelings; 1: never",
    )
    worst_share: Share = Field(
        0.1,
        description="share of a batch's rows, those of highest cost, that the utility gate trims",
    )
    stages: tuple[str, ...] | None = Field(
        None,
        description="the quality stages that run, such as sanity,cost; none: all of them",
    )
    alpha: Share = Field(
        0.5,
        description="share of the mixture that the paper's cost window drops",
    )
    beta: Annotated[float, Field(ge=0, lt=0.5)] = Field(
        0.1,
        description="share of the cheapest rows that the paper's cost window drops",
    )
    replicates: int = Field(
        1000,
        ge=20,
        le=100_000,
        description="pairs of bootstrap batches behind the paper's threshold tau",
    )
    kappa: Share = Field(
        0.0,
        description="share of the entropy still to be gained that a batch must bring; "
        "0: it must not lose any",
    )
    diversity: Literal["attainable", "relative"] = Field(
        "attainable",
        description="stage 3's threshold: a share kappa of what can be gained, "
        "or the paper's relative rise",
    )
    patience: int = Field(
        5,
        ge=1,
        le=1000,
        description="batches tried at most, as a multiple of those needed if all were kept",
    )
    relative_rise: float = Field(
        0.3,
        ge=0,
        le=10,
        description="the paper's relative rise of entropy, for diversity=relative",
    )

    @field_validator("stages", mode="before")
    @classmethod
    def _names(cls, stages: Any) -> Any:
        """A text of names, as the command line and the environment give it."""
        return stages.split(",") if isinstance(stages, str) else stages


class Settings(_Group):
    """All settings of a run; frozen, and written to the manifest as they are."""

    table: TableSettings = TableSettings()
    team: TeamSettings = TeamSettings()
    decoder: DecoderSettings = DecoderSettings()
    trim: TrimSettings = TrimSettings()

    @classmethod
    def of(cls, settings: "SettingsSource | None", preset: str = "default") -> "Settings":
        """Settings as they are, or of names and values (`load`)."""
        return settings if isinstance(settings, Settings) else cls.load(settings, preset)

    @classmethod
    def of_groups(cls, groups: Mapping[str, Mapping[str, Any]]) -> "Settings":
        """The settings of a manifest. **Raises** `UsageError` where they are of another version."""
        pairs = ((group, name) for group, values in groups.items() for name in values)
        return cls.load({f"{group}.{name}": groups[group][name] for group, name in pairs})

    @classmethod
    def load(cls, values: Mapping[str, Any] | None = None, preset: str = "default") -> "Settings":
        """Settings from a preset, the environment and explicit values, the later over the earlier.

        **Parameters:**

        * **values**: by name with a dot, ``{"trim.kappa": 0.3}``; texts are read as numbers, and
          "none" as no value. An old name works for one version, with a `DeprecationWarning`.
        * **preset**: "default", or "paper" for all that the paper states.

        **Raises** `UsageError` that lists every unknown name and every value out of bounds.
        """
        if preset not in PRESETS:
            presets = ", ".join(PRESETS)
            raise UsageError(
                f"There is no preset {preset!r}.", next_step=f"choose one of: {presets}"
            )
        explicit = _renamed(values or {}, stacklevel=3)
        environment = _renamed(_from_environment(), stacklevel=3)
        chosen = {**PRESETS[preset], **environment, **explicit}
        faults = [_unknown(name) for name in chosen if name not in NAMES]
        nested: dict[str, dict[str, object]] = {}
        for name in NAMES & chosen.keys():
            group, field = name.split(".")
            value = chosen[name]
            nested.setdefault(group, {})[field] = None if value == "none" else value
        try:
            settings = cls.model_validate(nested)
        except ValidationError as error:
            faults += _out_of_bounds(error)
        if faults:
            raise UsageError(
                "Some settings cannot be used:",
                faults=faults,
                next_step="see docs/reference/settings.md",
            )
        return settings


#: Settings, or values by name.
SettingsSource = Settings | Mapping[str, Any]


def _names() -> Iterator[str]:
    for group, info in Settings.model_fields.items():
        for field in info.annotation.model_fields:  # type: ignore[union-attr]
            yield f"{group}.{field}"


#: Every setting, as group and field with a dot between.
NAMES = frozenset(_names())

#: Names of version 0.1 that are not the field's words, and what they are now; read for one version.
_RENAMED = {"trim.label_chance": "trim.significance_level"}

#: Values over the defaults. "paper": all that it states (Team-then-Trim, arXiv 2602.04785).
PRESETS: dict[str, dict[str, object]] = {
    "default": {},
    "paper": {
        "team.conditioning": "parents",
        "team.labels": "worker",
        "team.cells": "worker",
        "team.beliefs": "never",
        "team.examples": 10,
        "trim.gate": "ig_refit",
        "trim.diversity": "relative",
        "trim.patience": 1,
    },
}


def _from_environment() -> dict[str, str]:
    """The settings among the variables of the process."""
    variables = {f"T2LOCAL_{name.replace('.', '_').upper()}": name for name in NAMES | {*_RENAMED}}
    return {variables[key]: text for key, text in os.environ.items() if key in variables}


def _renamed(values: Mapping[str, Any], stacklevel: int) -> dict[str, object]:
    """Values under the names of today; where the old and the new name are given, the new counts."""
    current: dict[str, object] = {}
    for name in values.keys() & _RENAMED.keys():
        message = f"the setting {name} is now {_RENAMED[name]}"
        warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
        current[_RENAMED[name]] = values[name]
    return current | {name: value for name, value in values.items() if name not in _RENAMED}


def _unknown(name: str) -> str:
    matches = difflib.get_close_matches(str(name), NAMES, n=1)
    return f"{name}: no such setting" + "".join(f"; did you mean {match}?" for match in matches)


def _out_of_bounds(error: ValidationError) -> list[str]:
    """One line for each value: pydantic names the bound, and the value itself is left out."""
    faults = error.errors(include_input=False, include_url=False)
    return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]


def shipped(folder: str) -> Path:
    """A data folder of the project, ``grammars`` or ``models``.

    It lies inside the package in a wheel, and beside it in a checkout.
    """
    package = Path(__file__).parent
    inside = package / folder
    return inside if inside.is_dir() else package.parent / folder


def state_home() -> Path:
    """Where model files are kept: ``T2LOCAL_HOME``, else ``~/.cache/t2local``.

    **Raises** `UsageError` for a user without a home, as in some containers.
    """
    if home := os.environ.get("T2LOCAL_HOME"):
        return Path(home)
    try:
        return Path.home() / ".cache" / "t2local"
    except RuntimeError:
        raise UsageError(
            "There is no home folder for model files.", next_step="name one as T2LOCAL_HOME"
        ) from None
