"""Rows keep the rules of the dictionary while they are written."""

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.stats.column_mixture import ColumnMixture
from t2local.tables.describe import describe
from t2local.tables.files import from_frame
from t2local.team.conditions import read_conditions
from t2local.team.row_rules import RowRules
from tests.test_rule_search import stays


@pytest.fixture(scope="module")
def table():
    cells = from_frame(stays(150)).cells
    dictionary = describe(cells, target="died")
    return dictionary, dictionary.values(cells)


def test_cells_of_the_model_of_the_columns_keep_all_rules(table):
    dictionary, real = table
    rules = RowRules(dictionary, real, dictionary.features)
    model = ColumnMixture([dictionary[name] for name in rules.order], real, 0)
    uniforms = np.random.default_rng(0).random((200, model.n_uniforms))
    free, rows = model.rows(uniforms), model.rows(uniforms, rules)
    bound = [rule for rule in dictionary.parsed_rules().values() if "died" not in rule.names]
    assert len(bound) >= 5
    assert all(rule.obeyed(rows).all() for rule in bound)
    n_broken = sorted(int((~rule.obeyed(free)).sum()) for rule in bound)
    assert n_broken[-2] > 150  # what is drawn without them hardly ever adds up
    # A row depends on its own random numbers alone, however often its cells are drawn.
    pd.testing.assert_frame_equal(
        model.rows(uniforms[40:60], rules), rows[40:60].reset_index(drop=True)
    )
    # Columns without a rule are what they were.
    assert rows["sodium"].isna().mean() == pytest.approx(real["sodium"].isna().mean(), abs=0.12)


WHERE = [
    ["died=yes"],
    ["died=no", "sodium>=150"],
    ["score=20", "motor>=15"],
    ["discharged<=2016-01-01", "nights>=20"],
    ["country=Austria", "age>=60"],
    ["death>=2019-01-01"],
]


@pytest.mark.parametrize("where", WHERE, ids=" ".join)
def test_cells_follow_what_was_asked_for_and_keep_all_rules(table, where):
    dictionary, real = table
    wanted = read_conditions(dictionary, where, None)
    rules = RowRules(dictionary, real, dictionary.features, wanted)
    model = ColumnMixture([dictionary[name] for name in rules.order], real, 0)
    uniforms = np.random.default_rng(0).random((200, model.n_uniforms))
    rows = model.rows(uniforms, rules, wanted.limits(200))
    assert wanted.matches(rows).all()
    assert not any(broken.any() for broken in rules.breaks(rows).values())
    bound = [rule for rule in dictionary.parsed_rules().values() if rule.names <= set(rows)]
    assert len(rules.breaks(rows)) == len(bound) >= 5
    # Blood is taken from seven in ten, whatever else a row is.
    if "sodium" not in " ".join(where):
        assert_share(rows["sodium"].isna(), real["sodium"].isna().mean(), len(real))


def test_balanced_cells_are_missing_as_in_the_real_rows_of_their_label(table):
    dictionary, real = table
    # Blood is taken from most of those who live, and from few of those who die.
    rng = np.random.default_rng(2)
    drawn = rng.random(len(real)) < np.where(real["died"] == "yes", 0.2, 0.9)
    for name in ("sodium", "potassium"):
        real = real.assign(**{name: real[name].fillna(real[name].median()).where(drawn)})
    wanted = read_conditions(dictionary, [], {"no": 0.2, "yes": 0.8})
    rules = RowRules(dictionary, real, dictionary.features, wanted)
    model = ColumnMixture([dictionary[name] for name in rules.order], real, 0)
    labels = ["no"] * 60 + ["yes"] * 240
    uniforms = rng.random((300, model.n_uniforms))
    rows = model.rows(uniforms, rules, wanted.limits(300, labels))
    assert rows["died"].tolist() == labels
    assert not any(broken.any() for broken in rules.breaks(rows).values())
    for label, own in rows.groupby("died"):
        matching = real[real["died"] == label]
        assert_share(own["sodium"].isna(), matching["sodium"].isna().mean(), len(matching))


def assert_share(mask, share, n_real):
    """The share is that of the real rows, within three deviations of both samples."""
    deviation = (share * (1 - share) * (1 / len(mask) + 1 / n_real)) ** 0.5
    assert abs(mask.mean() - share) <= 3 * deviation + 1 / n_real


def test_a_total_follows_its_parts_whoever_writes_it(table):
    dictionary, real = table
    rules = RowRules(dictionary, real, dictionary.features[::-1])
    for total, part in (("score", "motor"), ("score", "verbal"), ("discharged", "admitted")):
        assert rules.order.index(total) > rules.order.index(part)
    rows = rules.with_totals(real.assign(score=0.0))
    assert (rows["score"] == real["score"]).all()
    blank = rules.with_totals(real.assign(score=np.nan))
    assert blank["score"].isna().all()


def test_a_label_that_a_rule_forbids_gets_no_probability(table):
    dictionary, real = table
    rules = RowRules(dictionary, real, dictionary.features)
    even = np.log(np.full((len(real), 2), 0.5))
    probabilities = np.exp(rules.predictions(real, even))
    alive = real["death"].isna().to_numpy()
    assert np.allclose(probabilities[alive], (1, 0))
    assert np.allclose(probabilities[~alive], (0, 1))
    assert np.allclose(rules.predictions(real[:0], even[:0]).shape, (0, 2))


def test_a_run_without_a_dictionary_keeps_what_it_finds_and_says_so():
    frame = stays(120)
    events = []
    result = t2local.generate(
        frame, target="died", rows=40, model=ScriptedModel(), plan="data", on_event=events.append,
        settings={"trim.purpose": "share"},
    )  # fmt: skip
    decisions = {event.what: event for event in events if hasattr(event, "what")}
    n_rules = len(describe(from_frame(frame).cells, target="died").rules)
    assert decisions["rules between columns"].value == f"{n_rules} found"
    assert "--dictionary" in decisions["rules between columns"].reason
    rules = result.report["rules"]
    assert (rules["proposed"], rules["stated"]) == (n_rules, 0)
    assert [rule["kept"] for rule in rules["every"]] == [0] * n_rules
    kept = result.synthetic
    assert len(kept) == 40
    assert (kept["score"] == kept["motor"] + kept["verbal"]).all()
    assert (kept["death"].isna() == (kept["died"] == "no")).all()
    assert (kept["sodium"].isna() == kept["potassium"].isna()).all()
    rejected = result.report["reasons"]
    by_rule = sum(count for reason, count in rejected.items() if "breaks the rule" in reason)
    assert by_rule <= 0.1 * result.report["rows"]["generated"]


def test_a_total_that_was_asked_for_stays_and_a_numeric_target_has_no_rule():
    frame = stays(80)
    asked = t2local.generate(
        frame, target="died", rows=20, model=ScriptedModel(), plan="data", where=["score=9"]
    )
    assert (asked.synthetic["score"] == 9).all()
    cells = from_frame(frame).cells
    assert "score" in " ".join(describe(cells, target="died").parsed_rules())
    assert "score" not in " ".join(describe(cells, target="score").parsed_rules())


def test_no_rule_says_what_a_few_rows_have():
    stages = ["I"] * 60 + ["II"] * 50 + ["III"] * 49 + ["IV"]
    frame = pd.DataFrame(
        {
            "stage": stages,
            "hiv": ["positive" if stage in ("II", "IV") else "negative" for stage in stages],
            "died": ["no", "yes"] * 80,
        }
    )
    assert not any("IV" in rule for rule in describe(from_frame(frame).cells).parsed_rules())
    frame = frame[frame["stage"] != "IV"]
    assert any("hiv" in rule for rule in describe(from_frame(frame).cells).parsed_rules())


def test_shares_that_the_rules_leave_no_rows_for_are_said():
    real = pd.DataFrame({"age": np.arange(60) % 47 + 20, "sex": ["m", "f"] * 30})
    real["pregnant"] = np.where(real["sex"] == "f", "yes", "no")
    result = t2local.generate(
        real, target="pregnant", rows=60, model=ScriptedModel(), plan="data", seed=2,
        max_batches=6, settings={"trim.candidates": 1},
    )  # fmt: skip
    n_women = int((pd.concat([result.synthetic, result.rejected])["sex"] == "f").sum())
    assert n_women < 30  # half of the rows are to be pregnant, and no man can be
    assert result.synthetic["pregnant"].value_counts().to_dict() == {"no": 30, "yes": n_women}
    assert [*result.report["reasons"]] == ["there were clearer rows of its class"]
    said = (
        f"{30 - n_women} of the rejected rows passed all else, but with them the classes would not "
        "have their shares; rules forbid some labels in some rows."
    )
    assert said in result.report["verdict"]
    assert said in result.report["answers"]["use"]
