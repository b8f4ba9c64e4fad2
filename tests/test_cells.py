"""What the workers know of the cells: likelihoods of rows that are there, the models of the columns, and the coin between worker and tree."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.stats.densities import ChowLiuTree, IndependentColumns
from t2local.tables.dictionary import Feature, FeatureDictionary
from t2local.team.cell_calibration import CellCalibration, MixtureGate, by_cell, mixture
from t2local.team.plan import from_data
from t2local.team.rows import array, cell_ends, longest, schema
from t2local.team.workers import AssemblyLine
from tests.strategies import dictionaries, frame_of, values

LOOSE = {"trim.significance_level": 1, "trim.worst_share": 0, "trim.replicates": 50}


@settings(max_examples=30, deadline=None)
@given(dictionary=dictionaries(), seed=st.integers(1, 99))
def test_a_row_that_is_told_has_the_likelihood_with_which_it_was_written(dictionary, seed):
    model = ScriptedModel(
        lambda text: bytes([48 + text[-1] % 10])
    )  # some digits are likelier than others
    half = len(dictionary.features) // 2
    parts = [part for part in (dictionary.features[:half], dictionary.features[half:]) if part]
    segments = tuple(
        Segment((), Grammar(schema(part), model.tokenizer), tuple(range(i)))
        for i, part in enumerate(parts)
    )
    with Decoder(
        model, slots=3, prefix_tokens=10, max_row_tokens=longest(dictionary.features) + 4
    ) as decoder:
        decoder.prefill(model.tokenize("Rows:"))
        written = dict(
            decoder.complete([Request(segments, RowStream(seed, 1, row)) for row in range(4)])
        )
        done = [row for row in written.values() if not row.failure]
        told = dict(
            decoder.complete(
                [
                    Request(
                        segments, RowStream(seed, 2, i), tuple(text.encode() for text in row.texts)
                    )
                    for i, row in enumerate(done)
                ]
            )
        )
    for index, row in enumerate(done):
        assert told[index].texts == row.texts
        assert np.isclose(told[index].logprob, row.logprob)
        assert np.isclose(
            sum(weight for weights in told[index].token_logprobs for _, weight in weights),
            row.logprob,
        )


def test_a_text_that_the_grammar_does_not_allow_fails_its_row_alone():
    model = ScriptedModel()
    feature = Feature(name="x", type="integer", minimum=1, maximum=500)
    segment = Segment((), Grammar(schema([feature]), model.tokenizer))
    with Decoder(model, slots=2, prefix_tokens=4, max_row_tokens=20) as decoder:
        decoder.prefill([65])
        found = dict(
            decoder.complete(
                [Request((segment,), RowStream(1), (text,)) for text in (b"[700]", b"[70]", b"(7)")]
            )
        )
    assert [bool(found[i].failure) for i in range(3)] == [True, False, True]


@given(st.data(), dictionaries())
def test_tokens_are_counted_for_the_cell_in_which_they_end(data, dictionary):
    row = {f.name: data.draw(values(f)) for f in dictionary.features}
    text, ends = array(dictionary.features, row).encode(), cell_ends(dictionary.features, row)
    assert ends[-1] == len(text)
    assert all(text[end - 1 : end] in (b",", b"]") for end in ends)
    every = [
        (place + 1, 1.0) for place in range(len(text))
    ]  # a token a byte: the opening bracket counts for the first cell
    assert by_cell(ends, every) == [
        end - start for start, end in zip([0, *ends[:-1]], ends, strict=True)
    ]


@settings(max_examples=60, deadline=None)
@given(st.data(), dictionaries(most=3))
def test_the_model_of_a_column_is_a_distribution_and_its_draws_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(0, 12)))
    ]
    independent, rng = (
        IndependentColumns(dictionary.features, frame_of(dictionary, rows)),
        np.random.default_rng(0),
    )
    for feature in dictionary.features:
        drawn = feature.values(
            pd.Series([independent.draw(feature.name, rng) for _ in range(20)], dtype=object)
        )
        assert all(mask.all() for mask in feature.obeyed(drawn).values())
        if feature.numeric and feature.steps[1] - feature.steps[0] > 20_000:
            continue
        low, high = feature.steps if feature.numeric else (0, 0)
        every = (
            [step / 10**feature.decimals for step in range(low, high + 1)]
            if feature.numeric
            else list(feature.levels)
        )
        column = feature.values(
            pd.Series([*every, *([None] if feature.missing else [])], dtype=object)
        )
        total = np.exp(
            independent.log_probability(pd.DataFrame({feature.name: column}))[feature.name]
        ).sum()
        # How many decimals a number has is one question and its value another: near bounds the two do not quite add up.
        wide = not feature.decimals or high - low > 100 * 10**feature.decimals
        assert (0.9 < total < 1.1 if feature.decimals else abs(total - 1) < 1e-6) or not wide


def test_draws_have_the_probabilities_that_are_said_of_them():
    known = FeatureDictionary(
        target="b",
        features=(
            Feature(name="a", type="integer", minimum=0, maximum=40, missing=True),
            Feature(name="b", type="category", levels=("x", "y", "z")),
        ),
    )
    real = pd.DataFrame(
        {
            "a": [5.0, 7, 7, 7, 12, 20, 21, 30, np.nan, np.nan],
            "b": pd.Series(list("xxxxxxyyyz"), dtype=object),
        }
    )
    real = pd.concat(
        [real] * 10, ignore_index=True
    )  # what no real row has is possible, and never drawn: with 100 rows the two hardly differ
    independent, rng = IndependentColumns(known.features, real), np.random.default_rng(1)
    for name, every in {"a": [*map(float, range(41)), None], "b": ["x", "y", "z"]}.items():
        drawn = pd.Series([independent.draw(name, rng) for _ in range(20_000)], dtype=object)
        column = known[name].values(pd.Series(every, dtype=object))
        said = np.exp(independent.log_probability(pd.DataFrame({name: column}))[name].to_numpy())
        seen = np.array(
            [drawn.isna().mean() if value is None else (drawn == value).mean() for value in every]
        )
        assert np.abs(said - seen).max() < 0.015


@settings(max_examples=40, deadline=None)
@given(st.data(), dictionaries(most=4))
def test_a_tree_is_a_distribution_of_rows_and_its_rows_are_allowed(data, dictionary):
    rows = [
        {f.name: data.draw(values(f)) for f in dictionary.features}
        for _ in range(data.draw(st.integers(2, 12)))
    ]
    real = frame_of(dictionary, rows)
    tree, rng = ChowLiuTree(dictionary.features, real, 1), np.random.default_rng(0)
    drawn = pd.DataFrame([tree.row(rng) for _ in range(20)], dtype=object)
    for feature in dictionary.features:
        assert all(
            mask.all() for mask in feature.obeyed(feature.values(drawn[feature.name])).values()
        )
    levelled = [f for f in dictionary.features if not f.numeric and f.name in tree.parent]
    for feature in levelled:
        every = [*feature.levels, *([None] if feature.missing else [])]
        same = pd.concat([real.head(1)] * len(every), ignore_index=True).assign(
            **{feature.name: pd.Series(every, dtype=object)}
        )
        assert abs(np.exp(tree.log_probability(same)[feature.name]).sum() - 1) < 1e-6


def test_columns_that_follow_one_another_stay_together_and_others_do_not():
    rng = np.random.default_rng(0)
    age = rng.integers(20, 90, 80)
    frame = pd.DataFrame(
        {
            "age": age,
            "band": np.where(age < 40, "young", np.where(age < 65, "middle", "old")),
            "noise": rng.integers(0, 99, 80),
            "y": "0",
        }
    )
    frame.loc[0, "y"] = "1"
    known = t2local.describe(frame, target="y")
    real = known.values(frame.astype(str))
    tree = ChowLiuTree(known.input_features, real, 1)
    before, share = tree.parent["band"]
    assert before == "age"
    assert share > 0.7
    assert tree.parent.get("noise", ("", 0.0))[1] < 0.3
    drawn = pd.DataFrame([tree.row(rng) for _ in range(300)])
    right = np.where(drawn["age"] < 40, "young", np.where(drawn["age"] < 65, "middle", "old"))
    assert (drawn["band"] == right).mean() > 0.8  # drawn independently: 0.35
    held = pd.DataFrame({"age": [25.0, 25.0], "band": ["young", "old"], "noise": [50.0, 50.0]})
    likely, unlikely = tree.log_probability(held)["band"]
    assert likely - unlikely > 2
    assert tree.row(np.random.default_rng(5)) == tree.row(np.random.default_rng(5))


def test_the_weight_of_a_column_is_the_one_of_the_highest_likelihood():
    rng = np.random.default_rng(0)
    worker = pd.DataFrame(
        {
            "good": rng.normal(-1, 0.5, 400),
            "poor": rng.normal(-4, 1, 400),
            "even": rng.normal(-2, 1, 400),
        }
    )
    tree = pd.DataFrame({name: rng.normal(-2, 1, 400) for name in worker})
    skill = CellCalibration(worker, tree, tree - 1)
    for name, weight in skill.weights.items():
        grid = np.linspace(0.01, 0.99, 99)
        one = [mixture(worker[[name]], tree[[name]], {name: w}).to_numpy().sum() for w in grid]
        assert abs(weight - grid[int(np.argmax(one))]) < 0.05
    report = skill.report([])
    assert report["nats a row"]["both"] > max(
        report["nats a row"]["worker"], report["nats a row"]["tree"]
    )


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_a_worker_that_knows_how_columns_hang_together_beats_independent_columns(conditioning):
    rng = np.random.default_rng(0)
    first = rng.integers(10, 100, 60)
    frame = pd.DataFrame({"a": first, "b": first, "y": rng.choice(["0", "1"], 60)})

    def knows(text):
        """Writes the first number again."""
        row = text.rsplit(b"\n", 1)[-1]
        numbers = row[row.rfind(b"[") + 1 :].split(b",")
        return numbers[0][len(numbers[1]) :] or b"]" if len(numbers) == 2 else b""

    known = t2local.describe(frame, target="y")
    real = known.values(frame.astype(str))
    for script, better in ((knows, True), (None, False)):
        with AssemblyLine(
            ScriptedModel(script),
            known,
            from_data(real, known),
            real,
            Settings.load({"team.conditioning": conditioning, "team.labels": "worker"}),
            1,
        ) as line:
            cells = line.examine()[1]
        report = cells.report(from_data(real, known).line())
        if conditioning == "row":
            assert (report["worker - independent"] > 2 * report["standard error"]) == better
        assert np.isclose(
            sum(parts["worker"] for parts in report["components"].values()),
            report["nats a row"]["worker"],
        )


@pytest.mark.parametrize("conditioning", ["row", "parents"])
def test_given_cells_enter_the_rows_and_the_run_says_how_often(patients, conditioning):
    settings = {**LOOSE, "team.cells": "calibrated", "team.conditioning": conditioning}
    result = t2local.generate(
        patients, model=ScriptedModel(), plan="data", rows=20, max_batches=4, settings=settings
    )
    assert result.report["cells"]["policy"] == "calibrated"
    weights = result.report["cells"]["weights"]
    assert set(weights) == set(patients.columns) - {"outcome"}
    # A model without knowledge writes far less likely numbers than the columns' own.
    assert weights["weight"] < 0.3
    every = pd.concat([result.synthetic, result.rejected])
    assert abs(every["weight"].median() - patients["weight"].median()) < 10
    workers = t2local.generate(
        patients,
        model=ScriptedModel(),
        plan="data",
        rows=20,
        max_batches=4,
        settings={**settings, "team.cells": "worker"},
    )
    assert result.report["tokens"]["sampled"] < workers.report["tokens"]["sampled"]


def test_all_cells_may_be_given(patients):
    known = t2local.describe(patients, target="outcome")
    real = known.values(
        patients.astype(object)
        .where(patients.notna(), None)
        .astype(str)
        .where(patients.notna(), None)
    )
    with AssemblyLine(
        ScriptedModel(),
        known,
        from_data(real, known),
        real,
        Settings.load({"team.labels": "classifier"}),
        1,
    ) as line:
        line.mixture_gate = MixtureGate(
            ChowLiuTree(known.input_features, real, 1), dict.fromkeys(known.inputs, 0.0)
        )
        block = line.write(0, 30, 0)
    assert len(block.rows) == 30
    assert set(block.rows["ward"]) <= set(real["ward"])


def test_cells_that_a_rule_binds_are_never_given(patients):
    known = t2local.describe(patients, target="outcome")
    ruled = type(known).model_validate({**known.model_dump(), "rules": ["weight > 20 or age > 3"]})
    real = known.values(t2local.tables.files.cells_of(patients))
    with AssemblyLine(ScriptedModel(), ruled, from_data(real, ruled), real, Settings(), 1) as line:
        line.examine()
        tossed = [line.mixture_gate.sample(np.random.default_rng(row)) for row in range(60)]
    assert {name for given in tossed for name in given} == {"sex", "smoker", "ward"}
