"""Short texts for the kept rows, where the dictionary asks for some."""

import pandas as pd

from t2local.errors import DecodeError
from t2local.events import Notice
from t2local.llm.model import Model
from t2local.run.inputs import Inputs, Run
from t2local.team.texts import write_texts

Texts = dict[str, list[str | None]]


def texts_for(run: Run, inputs: Inputs, model: Model, kept: pd.DataFrame) -> Texts:
    """By column, a text for each kept row; without them where the model could not write them."""
    columns = [column for column in inputs.dictionary.left_out if column.make == "text"]
    if not columns or kept.empty or run.ledger.interrupted:
        return {}
    try:
        written = write_texts(model, inputs.dictionary, columns, kept, run.settings, run.seed)
    except DecodeError as error:
        run.tell(Notice(f"the texts were not written: {error}"))
        return {}
    finally:
        run.ledger.clock.lap("texts")
    run.ledger.tokens["texts"] = written.counters
    return written.columns
