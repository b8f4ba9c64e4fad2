"""What each stage did: rows, shares, ranges and missing cells, before and after it."""

import numpy as np
import pandas as pd
import pytest

from t2local.trim.stage_effects import stage_effects
from t2local.trim.verdict import Verdict, joined
from tests.batches import described

N_ROWS = 100
FRAME = pd.DataFrame(
    {
        "age": np.arange(N_ROWS) // 2 + 20,
        "dose": [None if i % 10 == 0 else i / 4 for i in range(N_ROWS)],
        "outcome": ["yes" if i % 5 == 0 else "no" for i in range(N_ROWS)],
    }
)


def effects_of(*rejected: tuple[str, np.ndarray]):
    values, dictionary = described(FRAME)
    verdict = Verdict(N_ROWS)
    for stage, rows in rejected:
        verdict.figures[stage] = None
        verdict.reject(rows, stage, "a reason")
    return stage_effects(values, verdict, dictionary)


def test_the_effects_of_two_stages_by_hand():
    old = np.arange(N_ROWS) >= 50
    cases = np.arange(N_ROWS) % 5 == 0
    first, second = effects_of(("sanity", old), ("cost", cases))
    assert (first.stage, first.rows_before, first.rows_after) == ("sanity", 100, 50)
    assert (second.stage, second.rows_before, second.rows_after) == ("cost", 50, 40)
    assert first.shares_before == first.shares_after == {"no": 0.8, "yes": 0.2}
    assert second.shares_after == {"no": 1.0}
    # 10 of 300 cells are missing, and 5 of 150; all of them in rows of the class that goes.
    assert first.missing_before == pytest.approx(10 / 300)
    assert second.missing_after == 0
    spans = [np.diff(np.quantile(FRAME["age"][:n], [0.05, 0.95]))[0] for n in (50, N_ROWS)]
    assert first.range_kept["age"] == pytest.approx(spans[0] / spans[1])
    assert set(first.range_kept) == {"age", "dose"}


def test_stages_that_rejected_nothing_are_not_there():
    nothing = np.zeros(N_ROWS, dtype=bool)
    assert effects_of() == ()
    assert effects_of(("sanity", nothing)) == ()


def test_few_rows_have_no_ranges():
    (effect,) = effects_of(("sanity", np.arange(N_ROWS) >= 10))
    assert effect.range_kept == {}
    (effect,) = effects_of(("sanity", np.ones(N_ROWS, dtype=bool)))
    assert (effect.rows_after, effect.shares_after, effect.missing_after) == (0, {}, 0.0)


def test_verdicts_in_parts_are_one_verdict():
    parts = [Verdict(3), Verdict(2)]
    parts[0].figures["sanity"] = None
    parts[0].reject(np.array([True, False, False]), "sanity", "one")
    parts[1].figures |= {"sanity": None, "cost": None}
    parts[1].reject(np.array([False, True]), "cost", "two")
    whole = joined(parts)
    assert whole.stages == ["sanity", None, None, None, "cost"]
    assert list(whole.figures) == ["sanity", "cost"]
    assert joined([]).size == 0
