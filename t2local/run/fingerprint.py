"""What decides the rows of a run, by name: two runs in which all of it is equal write the same.

It holds settings, versions and hashes, and no cell.
"""

from t2local.errors import UsageError
from t2local.run.checkpoint import MACHINE
from t2local.run.inputs import Inputs, Run
from t2local.run.manifest import TableFingerprint
from t2local.run.models import ModelIdentity
from t2local.system.environment import environment
from t2local.system.hashes import text_sha256
from t2local.system.json_text import as_json
from t2local.team.plan import Plan


def fingerprint_of(
    run: Run, inputs: Inputs, model: ModelIdentity, manager: ModelIdentity | None
) -> dict[str, str]:
    """The fingerprint of a run that has not begun.

    **Parameters:**

    * **manager**: the model that makes the plan, where it is another one.
    """
    ledger, beliefs, conditions = run.ledger, inputs.beliefs, inputs.conditions
    plan = inputs.plan.to_yaml() if isinstance(inputs.plan, Plan) else inputs.plan
    restricted = {name: f.model_dump(mode="json") for name, f in conditions.restricted.items()}
    # What the decoder's settings come to is compared when the model is loaded.
    settings = run.settings.model_dump(mode="json", exclude={"decoder"}).items()
    return {
        "data": TableFingerprint.of(inputs.table).cells_sha256,
        "--dictionary": text_sha256(inputs.dictionary.to_yaml()),
        "--knowledge": text_sha256(beliefs.knowledge.to_yaml()) if beliefs else "",
        "--plan": text_sha256(plan),
        "--where": text_sha256(as_json(restricted)),
        "--balance": text_sha256(as_json(conditions.shares)),
        "--rows": str(ledger.wanted),
        "--batch-size": str(ledger.batch_size),
        "--max-batches": str(ledger.max_batches),
        "--seed": str(run.seed),
        "--model": model.sha256,
        "--manager-model": manager.sha256 if manager else "",
        **{f"{group}.{name}": str(v) for group, part in settings for name, v in part.items()},
        **{f"version of {name}": text for name, text in environment().packages.items()},
    }


#: What the last digits of a model's numbers depend on, beside its file and the versions.
OF_THE_MACHINE = (
    "threads", "GPU layers", "weight repacking", "flash attention", "tokens a pass",
    "output layer", "rows side by side",
)  # fmt: skip


def check_machine(run: Run) -> None:
    """**Raises** `UsageError` where an earlier process of this run computed in another way.

    To be called once all of it is decided; the first process keeps what it decided.
    """
    now = {d.what: str(d.value) for d in run.ledger.decisions if d.what in OF_THE_MACHINE}
    then = run.checkpoint.recall(MACHINE, lambda: now, lambda decided: decided, dict)
    if then != now:
        names = [name for name in now.keys() | then.keys() if now.get(name) != then.get(name)]
        raise UsageError(
            "The rows that are there were written in another way, and these would not fit them:",
            faults=[
                f"{n}: {then.get(n, 'none')} then, {now.get(n, 'none')} now" for n in sorted(names)
            ],
            next_step="ask for what was used then (--set decoder.threads=N, decoder.slots=N, "
            "decoder.flash_attention=on), or choose another folder with --out",
        )
