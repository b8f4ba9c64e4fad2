"""A team that is fitted once and writes many samples: it asks once, and forgets nothing on disk."""

import pandas as pd
import pytest

import t2local
from t2local.errors import InputError, ModelError, UsageError
from t2local.events import Phase
from t2local.llm.scripted import ScriptedModel
from tests.patients import patients

pytestmark = pytest.mark.usefixtures("fewest_fits")

FAST = {"trim.replicates": 50}
MODEL = ScriptedModel()
ROWS = 50


def same(one, other) -> bool:
    """Whether two results have the same rows, kept and rejected."""
    pairs = ((one.synthetic, other.synthetic), (one.rejected, other.rejected))
    return all(first.equals(second) for first, second in pairs)


def asks(sample) -> bool:
    """Whether a model is asked about real rows."""
    phases = []
    sample(on_event=lambda event: isinstance(event, Phase) and phases.append(event.words))
    return "asking the model about real rows" in phases


@pytest.fixture(scope="module")
def team():
    return t2local.fit(patients(), target="outcome", model=MODEL, settings=FAST)


@pytest.fixture(scope="module")
def sample(team):
    return team.sample(rows=ROWS)


def test_the_first_sample_is_what_generate_writes_byte_for_byte(team, sample, tmp_path):
    options = {"target": "outcome", "model": MODEL, "settings": FAST}
    result = t2local.generate(patients(), rows=ROWS, out=tmp_path / "out", **options)
    sample.save(tmp_path / "sample")
    for name in ("synthetic.csv", "rejected.csv", "dictionary.yaml", "plan.yaml"):
        assert (tmp_path / "sample" / name).read_bytes() == (tmp_path / "out" / name).read_bytes()
    passing = ("seconds", "tokens")
    for name in result.report.keys() - {*passing}:
        assert sample.report[name] == result.report[name], name
    assert sample.report["tokens"]["rows"] == result.report["tokens"]["rows"]
    told = [sorted(map(str, r.manifest["decisions"])) for r in (sample, result)]
    assert told[0] == told[1]


def test_the_same_arguments_give_the_same_rows_and_another_seed_others(team, sample):
    assert same(team.sample(rows=ROWS), sample)
    other = team.sample(rows=ROWS, seed=2)
    assert not other.rejected.equals(sample.rejected)
    assert other.report["seed"] == 2
    assert other.report["labels"]["worker_weight"] == sample.report["labels"]["worker_weight"]


def test_a_sample_asks_nothing_but_once_for_each_kind_of_conditions(team, sample):
    assert not asks(lambda **options: team.sample(rows=20, seed=3, **options))
    given = {"rows": 10, "where": {"smoker": "no"}}  # a column that no other test gives
    assert asks(lambda **options: team.sample(**given, **options))
    assert not asks(lambda **options: team.sample(**given, seed=4, **options))


def test_conditions_hold_for_their_sample_alone(team):
    women = team.sample(rows=10, where={"sex": "F"})
    every = pd.concat([women.synthetic, women.rejected[list(women.synthetic)]])
    assert set(every["sex"]) == {"F"}
    ill = team.sample(rows=10, balance={"0": 0.2, "1": 0.8})
    assert ill.report["given"]["rows_by_label"] == {"0": 2, "1": 8}
    assert team.sample(rows=20).report["given"]["features"] == []


def test_it_says_in_a_few_lines_what_it_is(team):
    assert "60 real rows, 6 columns; target: outcome, model: scripted, seed: 1" in repr(team)
    assert len(repr(team)) < 300
    assert team.plan == team.sample(rows=10).plan
    assert team.dictionary.target == "outcome"


def test_a_saved_team_writes_the_same_rows_and_asks_nothing(team, sample, tmp_path):
    team.save(tmp_path / "team")
    loaded = t2local.load_team(tmp_path / "team", patients(), model=MODEL)
    assert repr(loaded) == repr(team)
    again = loaded.sample(rows=ROWS)
    assert same(again, sample)
    assert again.manifest["decisions"] == sample.manifest["decisions"]
    assert again.report["cells"] == sample.report["cells"]
    assert not asks(lambda **options: loaded.sample(rows=20, **options))


def test_no_cell_of_few_patients_stands_in_a_saved_team(tmp_path):
    frame = patients()
    frame.loc[3, ["age", "weight", "ward"]] = 91, 123.4, "Zqvilaax"
    frame["story"] = [f"Zqvilabx went home on day {n}" for n in range(60)]
    (team := t2local.fit(frame, target="outcome", model=MODEL, plan="data")).save(tmp_path / "team")
    team.sample(rows=10, where=["sex=F"])
    team.save(tmp_path / "again")
    texts = [path.read_text() for path in tmp_path.rglob("*.json")]
    assert len(texts) > 3
    assert not any("Zq" in text or "123.4" in text for text in texts)


def test_a_saved_team_needs_the_table_and_the_model_of_then(team, tmp_path):
    team.save(tmp_path / "team")
    with pytest.raises(UsageError, match="team is there already"):
        team.save(tmp_path / "team")
    with pytest.raises(InputError, match="The data are not those of then"):
        t2local.load_team(tmp_path / "team", patients().assign(age=50))
    other = ScriptedModel()
    other.sha256 = "1" * 64
    loaded = t2local.load_team(tmp_path / "team", patients(), model=other)
    with pytest.raises(ModelError, match="scripted is not the model that the team was fitted"):
        loaded.sample(rows=10)
    with pytest.raises(InputError, match="holds no team"):
        t2local.load_team(tmp_path, patients())
    path = tmp_path / "team" / "team.json"
    path.write_text(path.read_text().replace("outcome", "outcomes"))
    with pytest.raises(InputError, match="holds no team"):
        t2local.load_team(tmp_path / "team", patients())


def test_a_file_with_its_own_dictionary_and_beliefs_comes_back(tmp_path):
    patients().to_csv(tmp_path / "data.csv", index=False, sep=";", decimal=",")
    text = "# by hand\n" + t2local.describe(patients(), target="outcome").to_yaml()
    (tmp_path / "dictionary.yaml").write_text(text)
    beliefs = t2local.pipeline.ask(patients(), target="outcome", model=MODEL)
    options = {"dictionary": tmp_path / "dictionary.yaml", "knowledge": beliefs, "plan": "data"}
    team = t2local.fit(tmp_path / "data.csv", model=MODEL, settings=FAST, **options)
    team.save(tmp_path / "team")
    loaded = t2local.load_team(tmp_path / "team", tmp_path / "data.csv", model=MODEL)
    first, second = team.sample(rows=10), loaded.sample(rows=10)
    assert same(first, second)
    assert first.report["beliefs"] == second.report["beliefs"]
    second.save(tmp_path / "sample")
    assert (tmp_path / "sample" / "dictionary.yaml").read_text() == text
    first_line = (tmp_path / "sample" / "synthetic.csv").read_text().splitlines()[0]
    assert first_line == ";".join(patients())
