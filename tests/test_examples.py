"""Which real rows a prompt shows, and what it says when it shows none."""

import re

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.aggregates import aggregates


def known_and_real(frame, target="outcome"):
    cells = from_frame(frame).cells
    known = describe(cells, target=target)
    return known, known.values(cells)


def test_a_rare_class_is_always_shown_and_the_others_by_their_shares(patients):
    rare = pd.concat(
        [patients[patients["outcome"] == 0].head(27), patients[patients["outcome"] == 1].head(2)],
        ignore_index=True,
    )
    for seed in range(1, 9):
        model = ScriptedModel()
        t2local.generate(
            rare,
            model=model,
            plan="data",
            rows=10,
            max_batches=1,
            seed=seed,
            settings={"team.examples": 6, "team.labels": "worker"},
        )
        labels = re.findall(r",(\d)\]\n", model.prompts[-1])
        assert sorted(labels) == ["0"] * 5 + ["1"]


@pytest.mark.parametrize("conditioning", ["row", "parents"])
@pytest.mark.parametrize("labels", ["worker", "calibrated"])
def test_without_examples_no_real_row_reaches_the_model(patients, conditioning, labels):
    canaries = np.round(1000 + 8999 * np.random.default_rng(5).random(len(patients)), 2)
    model, seen = ScriptedModel(), bytearray()
    context = model.context

    def watched(cells, sequences):
        made = context(cells, sequences)
        decode = made.decode
        made.decode = lambda tokens, *more, **options: (
            seen.extend(tokens.tolist()),
            decode(tokens, *more, **options),
        )[1]
        return made

    model.context = watched

    def shown(examples):
        seen.clear()
        settings = {
            "team.examples": examples,
            "team.conditioning": conditioning,
            "team.labels": labels,
        }
        result = t2local.generate(
            patients.assign(lab=canaries),
            target="outcome",
            model=model,
            rows=10,
            max_batches=2,
            settings=settings,
        )
        return result, [canary for canary in canaries if f"{canary}".encode() in seen]

    assert len(shown(20)[1]) >= 20
    result, found = shown(0)
    assert found == []
    assert b"mean" in seen
    assert result.report["labels"]["policy"] == ("worker" if labels == "worker" else "classifier")
    assert result.report["rows"]["generated"] == 20


def test_figures_of_few_rows_are_not_said():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "x": rng.normal(50, 10, 60).round(1),
            "few": [1.5, 2.5, 3.5] + [None] * 57,
            "level": ["a"] * 40 + ["b"] * 15 + ["c"] * 5,
            "spread": ["a"] * 38 + ["b"] * 11 + ["c"] * 6 + ["d"] * 5,
            "y": ["no"] * 54 + ["yes"] * 6,
        }
    )
    known, real = known_and_real(frame, "y")
    told = aggregates(real, known)
    assert told["few"] == ""
    assert "mean" in told["x"]
    assert "where" not in told["x"]  # the small class would follow from the large one and the whole
    assert told["level"] == "shares not shown"  # so would the five
    assert told["spread"] == "a 63 %, b 18 %, others rare"
    assert told["y"] == "shares not shown"
    known, real = known_and_real(frame.assign(y=["no", "yes"] * 30), "y")
    found = aggregates(real, known)
    assert found["y"] == "no 50 %, yes 50 %"
    mean = real.loc[real["y"] == "no", "x"].mean()
    assert f"where y is no: mean {mean:.3g}" in found["x"]
