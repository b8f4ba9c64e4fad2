"""What must be known to repeat a run, for manifest.json: hashes and reasons, never a cell."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from t2local.errors import InputError
from t2local.events import Decision
from t2local.run.inputs import Inputs, Run
from t2local.run.models import ModelIdentity
from t2local.system.environment import environment
from t2local.system.hashes import text_sha256
from t2local.system.json_text import JsonObject
from t2local.tables.files import Table


@dataclass(frozen=True)
class TableFingerprint:
    """The input without its values: name, size, and a hash of all cells."""

    name: str
    rows: int
    columns: int
    cells_sha256: str

    @classmethod
    def of(cls, table: Table) -> "TableFingerprint":
        """The fingerprint of a table."""
        digest = text_sha256(table.cells.to_csv(index=False))
        return cls(table.source, len(table.cells), table.cells.shape[1], digest)

    def check(self, then: JsonObject) -> None:
        """**Raises** `InputError` where the cells are not those of an earlier fingerprint."""
        if self.cells_sha256 != then["cells_sha256"]:
            raise InputError(
                "The data are not those of then.",
                next_step=f"pass {then['name']} as it was: {then['rows']:,} rows, "
                f"{then['columns']} columns",
            )


@dataclass(frozen=True)
class RequestedRows:
    """How many rows were requested, and how they were to be judged."""

    rows: int
    batch_size: int
    max_batches: int


@dataclass(frozen=True)
class Manifest:
    """The manifest of a run."""

    format: int
    synthetic: bool
    python: str
    system: str
    packages: dict[str, str]
    started: str
    ended: str
    input: TableFingerprint
    dictionary_sha256: str
    request: RequestedRows
    settings: JsonObject
    model: ModelIdentity
    manager: ModelIdentity | None
    seed: int
    decisions: tuple[Decision, ...]
    files: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of the others, by name


def manifest_of(
    run: Run, inputs: Inputs, model: ModelIdentity, manager: ModelIdentity | None
) -> Manifest:
    """The manifest of a run that ends now."""
    ledger, machine = run.ledger, environment()
    return Manifest(
        format=1,
        synthetic=True,
        python=machine.python,
        system=machine.system,
        packages=machine.packages,
        started=ledger.clock.started.isoformat(),
        ended=datetime.now(UTC).isoformat(),
        input=TableFingerprint.of(inputs.table),
        dictionary_sha256=text_sha256(inputs.dictionary.to_yaml()),
        request=RequestedRows(ledger.wanted, ledger.batch_size, ledger.max_batches),
        settings=run.settings.model_dump(mode="json"),
        model=model,
        manager=manager,
        seed=run.seed,
        decisions=tuple(Decision(d.what, str(d.value), d.reason) for d in ledger.decisions),
    )
