"""How many rows a run is to give, of which labels, and how many are tried for them."""

import math

from t2local.events import Decision
from t2local.run.inputs import Inputs, Run
from t2local.settings import TrimSettings
from t2local.tables.dictionary import FeatureDictionary

#: Rows by default. Ten times the real rows bring more than twice as many (docs/method.md, "Loop");
#: more was not measured. The bounds are a choice: tiny tables get enough rows, large ones end soon.
_ROWS_PER_REAL_ROW = 10
_FEWEST_ROWS = 200
_MOST_ROWS = 2000
#: Rows that are to pass for each row that is kept (docs/method.md, "Choice").
_CANDIDATES_TO_BE_CLEAR = 1.25
_CANDIDATES_TO_LOOK_ALIKE = 1.5
#: What rows are chosen for, and what the other choice would be.
_PURPOSES = {
    "train": "rows that make a model better; --purpose share: rows that look like the table",
    "share": "rows that look like the table; --purpose train: rows that make a model better",
}


def want_rows(run: Run, inputs: Inputs, rows: int | None, max_batches: int | None) -> None:
    """Say how many rows are wanted, of which labels, and how many are tried for them.

    Without a number it is ten times the real rows: twice as many brought 3 points of AUC less
    (docs/method.md, "Loop"). Without a limit, ``trim.patience`` times the batches are tried that
    would do if all rows passed.
    """
    n_real = len(inputs.values)
    wanted = rows or min(max(_ROWS_PER_REAL_ROW * n_real, _FEWEST_ROWS), _MOST_ROWS)
    if rows is None:
        reason = f"ten times the {n_real} real rows, from {_FEWEST_ROWS} to {_MOST_ROWS}; --rows"
        run.tell(Decision("rows", f"{wanted}", reason))
    _tell_purpose(run, inputs.dictionary)
    ledger, settings = run.ledger, run.settings.trim
    ledger.wanted = wanted
    if settings.gate == "source":
        ledger.candidates = _candidates(inputs, settings, wanted)
    batches = math.ceil(max(wanted, ledger.candidates) / ledger.batch_size)
    ledger.max_batches = max_batches or settings.patience * batches
    quotas = inputs.conditions.quotas_to_pass(wanted, ledger.candidates)
    ledger.want_labels(inputs.dictionary.target, quotas)


def _tell_purpose(run: Run, dictionary: FeatureDictionary) -> None:
    """Say what the rows are chosen for, where they are chosen."""
    if run.settings.trim.gate != "source":
        return
    decision = Decision("purpose", "share", "rows that look like the table: there is no target")
    if dictionary.target is not None:
        purpose = run.settings.trim.purpose
        decision = Decision("purpose", purpose, _PURPOSES[purpose])
    run.tell(decision)


def _candidates(inputs: Inputs, settings: TrimSettings, wanted: int) -> int:
    """Rows that are to pass before the wanted ones are chosen: a number as label is not clear."""
    dictionary = inputs.dictionary
    if settings.purpose == "share" or dictionary.target is None:
        return math.ceil((settings.candidates or _CANDIDATES_TO_LOOK_ALIKE) * wanted)
    if dictionary.classification:
        return math.ceil((settings.candidates or _CANDIDATES_TO_BE_CLEAR) * wanted)
    return wanted
