"""All rows of a run as one source: labels keep their shares, the clearest are kept, all is counted.

The blocks are made by hand, with the true probabilities of the labels as their predictions.
"""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.events import ignore
from t2local.run.inputs import new_run, read_inputs
from t2local.run.judging import BatchJudge, SourceJudge, judge_of
from t2local.run.wanted_rows import want_rows
from t2local.settings import Settings
from t2local.stats.quotas import quotas
from t2local.tables.describe import describe
from t2local.tables.dictionary import Relation
from t2local.tables.files import cells_of, from_frame
from t2local.team.row_rules import RowRules
from t2local.team.writer import Block
from tests.sources import predictions, spoiled, table


class Judging:
    """A run on n real rows of a kind of table, and blocks for it."""

    def __init__(
        self,
        kind="two",
        n=60,
        rows=40,
        *,
        real=None,
        where=(),
        balance=None,
        dictionary=None,
        seed=0,
        **settings,
    ):
        self.kind = kind
        self.rng = np.random.default_rng(seed)
        self.real = table(n, kind, self.rng) if real is None else real
        named = {name.replace("_", ".", 1): value for name, value in settings.items()}
        self.run = new_run(Settings.load(named), 1, 10, ignore)
        self.inputs = read_inputs(self.run, self.real, "y", dictionary, "data", where, balance)
        want_rows(self.run, self.inputs, rows, None)
        self.judge = judge_of(self.run, self.inputs)
        self.ledger = self.run.ledger
        self.predicted = []

    def add(self, rows, *, labels="predicted", predicted=None):
        """Have a block judged; ``labels``: predicted, or those of the rows."""
        values = self.inputs.dictionary.values(cells_of(rows))
        if labels == "predicted" and predicted is None:
            predicted = predictions(rows, self.kind)
        block = Block(self.ledger.blocks, values, 0, "sha", interrupted=False)
        entries = self.judge.add(replace(block, predictions=predicted))
        self.predicted.append(predicted)
        return entries

    def add_new(self, n_rows, **options):
        return self.add(table(n_rows, self.kind, self.rng), **options)

    @property
    def candidates(self):
        """All rows so far, as they were judged."""
        ((rows, _),) = self.ledger.judged
        return rows

    @property
    def verdict(self):
        ((_, verdict),) = self.ledger.judged
        return verdict

    @property
    def kept(self):
        return self.ledger.rows(self.inputs.dictionary).kept

    def real_shares(self):
        return self.real["y"].value_counts(normalize=True).sort_index().to_dict()

    def check_accounts(self):
        ledger = self.ledger
        assert ledger.generated == ledger.kept + sum(ledger.rejected_by.values())
        assert ledger.generated == len(self.candidates) == self.verdict.size
        assert ledger.kept == int(self.verdict.kept.sum()) <= ledger.wanted
        assert ledger.passed == ledger.kept + ledger.rejected_by["choice"]
        assert sum(entry.rows for entry in ledger.batches) == ledger.generated
        assert sum(entry.kept for entry in ledger.batches) == ledger.kept
        by_stage = sum((Counter(entry.rejected_by) for entry in ledger.batches), Counter())
        assert by_stage == ledger.rejected_by
        judged = ledger.rows(self.inputs.dictionary)
        assert len(judged.kept) + len(judged.rejected) == ledger.generated
        assert sum(ledger.rejected_by_stage().values()) == len(judged.notes)


@settings(max_examples=8, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    kind=st.sampled_from(["two", "three", "rare"]),
    seed=st.integers(0, 99),
)
def test_after_every_block_all_candidates_have_the_real_shares_and_every_row_is_counted(
    sizes, kind, seed
):
    judging = Judging(kind, seed=seed)
    real = judging.real["y"].value_counts()
    for size in sizes:
        judging.add_new(size)
        judging.check_accounts()
        n_rows = judging.ledger.generated
        counts = judging.candidates["y"].value_counts()
        expected = quotas(judging.real_shares(), n_rows)
        never_lost = [label for label in real.index if real[label] >= 3 and not expected[label]]
        for label, count in expected.items():
            if never_lost:
                assert abs(counts.get(label, 0) - count) <= len(never_lost)
            else:
                assert counts.get(label, 0) == count


@pytest.mark.parametrize("kind", ["two", "three", "rare"])
def test_the_kept_rows_have_the_real_shares_exactly(kind):
    judging = Judging(kind, rows=40)
    while not judging.ledger.done:
        judging.add_new(30)
    assert judging.ledger.full
    assert judging.ledger.passed >= judging.ledger.candidates == 50
    assert judging.kept["y"].value_counts().to_dict() == quotas(judging.real_shares(), 40)


@pytest.mark.parametrize("kind", ["two", "three"])
def test_the_clearest_of_each_class_are_kept(kind):
    judging = Judging(kind, rows=40)
    judging.add_new(50)
    judging.add_new(50)
    log_p = np.vstack(judging.predicted)
    places = judging.inputs.dictionary["y"].levels
    own = np.array(
        [log_p[row, places.index(label)] for row, label in enumerate(judging.candidates["y"])]
    )
    stages = np.array(judging.verdict.stages, dtype=object)
    for label in judging.real_shares():
        of_class = (judging.candidates["y"] == label).to_numpy()
        chosen_from = own[of_class & (stages == "choice")]
        assert own[of_class & judging.verdict.kept].min() >= chosen_from.max()
    figures = judging.verdict.notes()["figure"][stages == "choice"]
    assert figures.to_numpy() == pytest.approx(np.exp(own[stages == "choice"]), rel=1e-5)


def test_the_kept_rows_of_a_rare_class_are_not_its_extremes():
    """As the cases of true rows lie, by what speaks for them; the likeliest ones lie beyond."""
    judging = Judging("rare", n=200, rows=400)
    true = table(4000, "rare", np.random.default_rng(3))
    judging.add_new(600)
    judging.check_accounts()

    def of_cases(rows):
        cases = rows[rows["y"] == "yes"]
        return 1.5 * cases["p"] - cases["q"]

    kept, wanted = of_cases(judging.kept), of_cases(true)
    likeliest = of_cases(judging.candidates.assign(y="yes")).nlargest(len(kept))
    assert likeliest.mean() > wanted.mean() + 0.8 * wanted.std()
    assert abs(kept.mean() - wanted.mean()) < 0.5 * wanted.std()
    assert kept.std() > 0.6 * wanted.std()


def test_a_class_of_three_real_rows_is_never_lost_and_one_of_two_may_be():
    rng = np.random.default_rng(11)
    real = table(300, "three", rng)
    common = real[real["y"] != "c"].head(195)
    rare = real[real["y"] == "c"]
    for n_rare, n_kept in ((3, 1), (2, 0)):
        judging = Judging("three", real=pd.concat([common, rare.head(n_rare)]), rows=20)
        judging.add_new(30)
        judging.check_accounts()
        assert (judging.candidates["y"] == "c").sum() == n_kept
        assert (judging.kept["y"] == "c").sum() == n_kept
        assert len(judging.kept) == 20


def test_a_row_that_was_decided_against_can_be_kept_when_more_evidence_comes():
    judging = Judging(team_labels="worker", rows=200)
    wrong = spoiled(table(30, "two", judging.rng), "40 % flipped", judging.rng)
    judging.add(wrong, labels="own")
    assert judging.ledger.kept == 0
    assert judging.ledger.batches[0].kept == 0
    for _ in range(3):
        judging.add_new(100, labels="own")
        judging.check_accounts()
    assert judging.verdict.kept[:30].sum() > 10
    assert judging.ledger.batches[0].kept == judging.verdict.kept[:30].sum()


def test_rows_that_were_kept_go_when_the_evidence_turns():
    judging = Judging(team_labels="worker", rows=200)
    judging.add_new(40, labels="own")
    assert judging.ledger.kept > 20
    wrong = spoiled(table(200, "two", judging.rng), "all flipped", judging.rng)
    judging.add(wrong, labels="own")
    judging.check_accounts()
    assert judging.ledger.kept == 0
    assert [entry.kept for entry in judging.ledger.batches] == [0, 0]


def test_a_run_is_judged_as_its_blocks_at_once():
    in_parts, at_once = Judging(), Judging()
    rows = table(90, "two", np.random.default_rng(5))
    for first in (0, 20, 60):
        in_parts.add(rows.iloc[first : {0: 20, 20: 60, 60: 90}[first]].reset_index(drop=True))
    at_once.add(rows)
    assert in_parts.candidates.equals(at_once.candidates)
    assert in_parts.verdict.stages == at_once.verdict.stages
    assert in_parts.verdict.reasons == at_once.verdict.reasons


def test_under_a_condition_predictions_count_as_ten_rows_beside_the_real_ones_that_meet_it():
    judging = Judging("three", rows=60, where=["p>=0.5"])
    rows = table(300, "three", judging.rng)
    rows = rows[rows["p"] >= 0.5].reset_index(drop=True)
    judging.add(rows)
    meets = judging.real[judging.real["p"] >= 0.5]["y"].value_counts()
    expected = np.exp(predictions(rows, "three")).mean(axis=0)
    levels = judging.inputs.dictionary["y"].levels
    counts = {
        level: meets.get(level, 0) + 10 * expected[place] for place, level in enumerate(levels)
    }
    shares = {level: count / sum(counts.values()) for level, count in counts.items()}
    assert judging.candidates["y"].value_counts().to_dict() == quotas(shares, len(rows))
    assert judging.kept["y"].value_counts().to_dict() == quotas(shares, 60)
    # They are not those of all real rows.
    assert quotas(shares, 60) != quotas(judging.real_shares(), 60)


def test_no_row_gets_a_label_that_a_rule_forbids_for_the_shares_of_the_classes():
    """No man is pregnant, and at first there are more men among the new rows than real ones."""
    rng = np.random.default_rng(0)

    def people(n_men, n_women):
        sex = np.repeat(["m", "f"], [n_men, n_women])
        pregnant = (sex == "f") & (rng.random(len(sex)) < 0.9)
        return pd.DataFrame(
            {"sex": sex, "p": rng.random(len(sex)), "y": np.where(pregnant, "yes", "no")}
        )

    real = people(40, 60)
    rule = Relation(rule='not (sex == "m" and y == "yes")', reason="no man is pregnant")
    guess = describe(from_frame(real).cells, target="y")
    dictionary = guess.model_copy(update={"rules": (rule,)})
    judging = Judging(real=real, rows=80, dictionary=dictionary)
    rules = RowRules(dictionary, judging.inputs.values, dictionary.features)
    for n_men, n_women in ((70, 30), (0, 20)):
        rows = dictionary.values(cells_of(people(n_men, n_women)))
        unruled = np.log(np.full((len(rows), 2), 0.5))
        judging.add(rows, predicted=rules.predictions(rows, unruled))
        labels = judging.candidates.groupby("sex")["y"].value_counts().to_dict()
        assert ("m", "yes") not in labels
        assert judging.ledger.rejected_by["sanity"] == 0
        assert judging.ledger.full == (n_men == 0)
    assert judging.kept["y"].value_counts().to_dict() == quotas(judging.real_shares(), 80)


def test_a_label_that_is_given_is_not_given_anew():
    judging = Judging(rows=20, where=["y=yes"])
    rows = table(200, "two", judging.rng)
    judging.add(rows[rows["y"] == "yes"].head(40).reset_index(drop=True), labels="own")
    assert set(judging.candidates["y"]) == {"yes"}
    assert judging.ledger.kept == 20


@pytest.mark.parametrize("purpose", ["train", "share"])
@pytest.mark.parametrize("asked", [{"a": 0.5, "b": 0.5}, {"b": 1}])
def test_no_row_has_a_label_that_nobody_asked_for(asked, purpose):
    judging = Judging("three", n=100, rows=20, balance=asked, trim_purpose=purpose)
    judging.add_new(40)
    assert set(judging.candidates["y"]) == set(asked)
    assert judging.kept["y"].value_counts().to_dict() == {y: 20 * s for y, s in asked.items()}


def test_of_a_balanced_run_the_shares_that_were_asked_for_are_kept():
    judging = Judging("rare", n=100, rows=30, balance={"no": 0.4, "yes": 0.6})
    rows = table(3000, "rare", judging.rng).groupby("y").head(40).reset_index(drop=True)
    judging.add(rows, labels="own")
    judging.check_accounts()
    assert judging.candidates["y"].tolist() == rows["y"].tolist()
    assert judging.kept["y"].value_counts().to_dict() == {"yes": 18, "no": 12}


def test_shares_that_were_asked_for_are_given_to_the_rows_that_fit_them():
    """Each row is written for a label; in view of all rows another one may fit it better."""
    judging = Judging("rare", n=100, rows=30, balance={"no": 0.4, "yes": 0.6})
    rows = table(3000, "rare", judging.rng).groupby("y").head(40).reset_index(drop=True)
    wrong = spoiled(rows, "shuffled", judging.rng)
    judging.add(wrong)
    judging.check_accounts()
    n_yes = quotas({"no": 0.4, "yes": 0.6}, len(rows))["yes"]
    likelihood = predictions(rows, "rare")[:, 1] - predictions(rows, "rare")[:, 0]
    fittest = np.sort(np.argsort(-likelihood, kind="stable")[:n_yes])
    assert np.flatnonzero(judging.candidates["y"] == "yes").tolist() == fittest.tolist()
    assert judging.kept["y"].value_counts().to_dict() == {"yes": 18, "no": 12}


def test_labels_by_calibrated_predictions_are_measured_and_never_refused():
    """Predictions that contradict the real rows: whoever calibrated them has seen more."""
    judging = Judging(rows=20)
    rows = table(60, "two", judging.rng)
    judging.add(rows.assign(p=-rows["p"], q=-rows["q"]), predicted=predictions(rows, "two"))
    figures = judging.verdict.figures["cost"]
    assert (figures.trusted, figures.accepted, figures.impossible) == (True, True, 0)
    assert min(figures.same, figures.same - figures.own) < figures.threshold
    assert judging.ledger.kept == 20


def test_numbers_to_share_have_the_distribution_of_the_real_ones():
    judging = Judging("number", rows=200, trim_purpose="share")
    judging.add_new(100)
    judging.add_new(100)
    judging.check_accounts()
    numbers, real = judging.candidates["y"], judging.real["y"]
    shares = np.linspace(0.1, 0.9, 9)
    assert np.allclose(numbers.quantile(shares), real.quantile(shares), atol=0.1 * real.std())
    # They follow from their predictions no more than numbers do that have errors.
    assert 0.7 < np.corrcoef(numbers, np.vstack(judging.predicted)[:, 0])[0, 1] < 0.98


def test_rows_that_are_to_look_like_the_table_have_drawn_labels_and_are_not_chosen():
    share, train = (Judging(rows=60, trim_purpose=purpose) for purpose in ("share", "train"))
    rows = table(60, "two", np.random.default_rng(5))
    for judging in (share, train):
        judging.add(rows.head(30))
        judging.add(rows.tail(30).reset_index(drop=True))
        judging.check_accounts()
    # The same shares, and not the likeliest labels.
    counts = [j.candidates["y"].value_counts().to_dict() for j in (share, train)]
    assert counts[0] == counts[1]
    assert not share.candidates["y"].equals(train.candidates["y"])
    assert share.ledger.rejected_by["choice"] == 0
    log_p = predictions(rows, "two")
    own = [
        np.exp(log_p[np.arange(60), (j.candidates["y"] == "yes").astype(int)])
        for j in (share, train)
    ]
    # Drawn labels are as likely as their probabilities say: E p = sum of p squared.
    assert own[0].mean() == pytest.approx((np.exp(log_p) ** 2).sum(axis=1).mean(), abs=0.08)
    assert own[1].mean() > own[0].mean()


def test_numbers_are_chosen_only_where_more_rows_passed_than_are_wanted():
    judging = Judging("number", rows=25)
    rows = table(60, "number", judging.rng)
    judging.add(rows, labels="own")
    judging.check_accounts()
    assert judging.verdict.kept.sum() == 25
    assert judging.ledger.rejected_by["choice"] == judging.ledger.passed - 25 > 0
    assert judging.candidates["y"].tolist() == rows["y"].tolist()
    assert judging.ledger.candidates == 25


def test_likeliest_labels_stay_and_the_clearest_of_all_are_kept():
    judging = Judging("rare", rows=20, team_label_choice="likeliest")
    rows = table(40, "rare", judging.rng)
    log_p = predictions(rows, "rare")
    likeliest = np.array(["no", "yes"])[log_p.argmax(axis=1)]
    judging.add(rows.assign(y=likeliest))
    assert judging.candidates["y"].tolist() == likeliest.tolist()
    stages = np.array(judging.verdict.stages, dtype=object)
    best = log_p.max(axis=1)
    assert best[judging.verdict.kept].min() >= best[stages == "choice"].max()


def test_the_workers_own_labels_are_kept_in_the_real_shares():
    judging = Judging("two", rows=30, team_labels="worker")
    for _ in range(3):
        judging.add_new(40, labels="own")
    judging.check_accounts()
    assert judging.kept["y"].value_counts().to_dict() == quotas(judging.real_shares(), 30)


def test_with_a_class_that_no_real_row_has_no_more_are_kept_than_wanted():
    rng = np.random.default_rng(0)
    frame = table(80, "three", rng)
    judging = Judging("three", real=frame, rows=40)
    levels = judging.inputs.dictionary
    seen = frame[frame["y"] != "c"].reset_index(drop=True)
    run = new_run(Settings(), 1, 10, ignore)
    inputs = read_inputs(run, seen, None, levels, "data")
    want_rows(run, inputs, 40, None)
    rows = table(120, "three", rng)
    values = inputs.dictionary.values(cells_of(rows))
    log_p = predictions(rows, "three")
    block = Block(0, values, 0, "sha", interrupted=False, predictions=log_p)
    judge_of(run, inputs).add(block)
    kept = run.ledger.rows(inputs.dictionary).kept["y"].value_counts()
    unseen = (log_p.argmax(axis=1) == 2).mean()
    assert kept.sum() == run.ledger.kept == 40
    assert abs(kept["c"] - 40 * unseen) < 1
    assert run.ledger.judged[0][1].figures["unverified"].rows == kept["c"]


def test_an_interrupted_block_without_rows_changes_nothing():
    judging = Judging()
    judging.add_new(30)
    before = judging.verdict.stages
    judging.add_new(0)
    judging.check_accounts()
    assert judging.verdict.stages == before
    assert judging.ledger.blocks == 2


def test_a_run_may_begin_with_a_block_without_rows():
    judging = Judging()
    assert not judging.add_new(0)
    assert judging.ledger.generated == 0
    assert judging.kept.empty
    judging.add_new(20)
    judging.check_accounts()


def test_the_settings_choose_the_judge():
    assert isinstance(Judging().judge, SourceJudge)
    for gate in ("utility", "ig_refit"):
        assert isinstance(Judging(trim_gate=gate).judge, BatchJudge)


def test_batches_are_decided_once_and_for_all():
    judging = Judging(rows=500, trim_gate="utility", trim_worst_share=0)
    entries = [judging.add_new(25) for _ in range(2)]
    assert [[entry.rows for entry in block] for block in entries] == [[10, 10, 5]] * 2
    assert judging.ledger.batches == [*entries[0], *entries[1]]
    assert judging.ledger.generated == 50
    assert judging.ledger.kept == sum(entry.kept for block in entries for entry in block)
    for block in entries:
        for entry in block:
            assert entry.rows == entry.kept + sum(entry.rejected_by.values())


def test_in_a_long_run_blocks_wait_and_the_last_verdict_is_that_on_all_rows(monkeypatch):
    def judged(always):
        monkeypatch.setattr("t2local.run.judging._ALWAYS_JUDGED", always)
        run = Judging(rows=400, team_block_rows=10, trim_replicates=20)
        entries = []
        while not run.ledger.done:
            entries += run.add_new(10)
        blocks = run.ledger.blocks
        assert not run.judge.rest()
        for _ in range(2):  # Ctrl-C comes while blocks wait
            run.add_new(10)
        run.judge.rest()
        ((rows, verdict),) = run.ledger.judged
        assert len(rows) == run.ledger.generated == verdict.size == (blocks + 2) * 10
        assert run.ledger.kept + sum(run.ledger.rejected_by.values()) == run.ledger.generated
        assert sum(entry.rows for entry in run.ledger.batches) == run.ledger.generated
        return blocks, len(entries), rows, verdict

    monkeypatch.setattr("t2local.run.judging._GROWTH", 0.2)
    monkeypatch.setattr("t2local.run.judging._LAST_BLOCKS", 1)
    n_blocks, n_all, rows, verdict = judged(10_000)
    assert n_all == n_blocks
    n_blocks_too, n_few, *_ = judged(100)
    assert n_few < n_all - 10
    assert n_blocks <= n_blocks_too <= n_blocks + 3
    monkeypatch.setattr("t2local.run.judging._GROWTH", 0.0)
    *_, rows_too, verdict_too = judged(0)
    pd.testing.assert_frame_equal(rows, rows_too)
    assert verdict.stages == verdict_too.stages
