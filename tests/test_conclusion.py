"""The verdict in sentences: what is lost comes first, then counts, purpose and benefit."""

from dataclasses import replace

import pandas as pd
import pytest

from t2local.trim.conclusion import answers, conclusion
from t2local.trim.distances import AssociationShift
from t2local.trim.shifts import Finding, Shifts, shifts
from tests.batches import described

COUNTS = "60 of the 60 rows asked for were kept."


def found(*findings: tuple[str, str]) -> Shifts:
    """Shifts with findings: their kind and column."""
    parts = (Finding(kind, (column,), f"{kind} in {column}.") for kind, column in findings)
    return Shifts(30, False, 60, (), (), (), (), tuple(parts))


def test_a_loss_is_the_first_sentence_whatever_the_rows_are_for():
    lost = found(("lost_class", "outcome"), ("marginal", "age"))
    for purpose in (None, "train", "train, the clearest", "share"):
        assert conclusion(COUNTS, lost, None, purpose).startswith("lost_class in outcome.")


def test_shifts_of_rows_to_train_with_are_named_by_column_and_others_in_full():
    shifted = found(*(("marginal", column) for column in "abcde"))
    trained = conclusion(COUNTS, shifted, None, "train")
    assert trained.startswith(
        "The kept rows differ from the real ones, more than by chance, in a, b, c and 2 more. "
    )
    assert "marginal in" not in trained
    shared = conclusion(COUNTS, shifted, None, "share")
    assert shared.startswith("marginal in a. marginal in b. marginal in c. ")
    assert "The report has 2 more differences." in shared


@pytest.mark.parametrize(
    ("purpose", "clear"), [("train", False), ("train, the clearest", True), ("share", False)]
)
def test_clear_cases_are_over_represented_only_where_they_were_chosen(purpose, clear):
    assert ("over-represented" in conclusion(COUNTS, found(), None, purpose)) == clear


def test_without_a_finding_the_counts_come_first_and_without_rows_they_are_all():
    assert conclusion(COUNTS, found(), None, "train").startswith(COUNTS)
    assert conclusion(COUNTS, found(), None) == COUNTS
    assert conclusion("No rows.", None, None, "train") == "No rows."


def test_rows_of_one_class_alone_fail_the_verdict():
    frame = pd.DataFrame(
        {
            "weight": [50.5 + (7 * i) % 31 for i in range(120)],
            "outcome": ["yes" if i % 4 == 0 else "no" for i in range(120)],
        }
    )
    real, dictionary = described(frame)
    kept = real[real["outcome"] == "no"].reset_index(drop=True)
    verdict = conclusion(COUNTS, shifts(real, kept, dictionary, 1), None, "train")
    assert verdict.startswith("No kept row has outcome 'yes'")


@pytest.mark.parametrize(
    ("kind", "purpose", "light"),
    [
        (None, "train", "go"),
        ("marginal", "train", "care"),
        ("target_association", "train, the clearest", "care"),
        ("marginal", "share", "care"),
        ("lost_range", "train", "care"),
        ("class_shares", "train", "care"),
        ("lost_class", "share", "stop"),
    ],
)
def test_the_light_depends_on_what_was_lost_and_what_the_rows_are_for(kind, purpose, light):
    shifted = found((kind, "age")) if kind else found()
    answer = answers(COUNTS, shifted, None, purpose)
    assert answer.light == light
    assert COUNTS in answer.use
    assert ("nothing differs beyond chance" in answer.lost) == (kind is None)


@pytest.mark.parametrize("purpose", ["train", "train, the clearest"])
@pytest.mark.parametrize("kind", ["target_association", "association", "marginal", "missing"])
def test_shifted_rows_to_train_with_are_said_not_to_describe_the_patients(kind, purpose):
    answer = answers(COUNTS, found((kind, "age")), None, purpose)
    assert answer.use.startswith("To train a model: yes. To describe the patients: no.")
    assert "counts, effects and p-values of these rows are not those of" in answer.purpose
    assert ("target_association in age." in answer.lost) == (kind == "target_association")
    assert "counts, effects and p-values" in conclusion(COUNTS, found((kind, "age")), None, purpose)


def test_clear_cases_never_describe_the_patients_whatever_a_test_finds():
    """On 60 kept rows a correlation of 0.93 instead of 0.54 can be within what chance explains."""
    pair = AssociationShift(("sex", "outcome"), 0.54, 0.93, 3.4, 3.6, "", of_target=True)
    other = replace(pair, columns=("sex", "age"), of_target=False)
    clearest = answers(
        COUNTS, replace(found(), associations=(other, pair)), None, "train, the clearest"
    )
    assert clearest.light == "care"
    assert clearest.use.startswith("To train a model: yes. To describe the patients: no.")
    assert "sex and outcome changed most: their correlation is 0.93" in clearest.lost
    assert "p-values of these rows are not those of the patients" in clearest.purpose


def test_rows_in_which_nothing_was_found_are_green_for_what_they_are_for():
    trained = answers(COUNTS, found(), None, "train")
    assert (trained.light, trained.use) == ("go", f"Yes, to train a model. {COUNTS}")
    assert trained.purpose == "They are for training a model."
    shared = answers(COUNTS, found(), None, "share")
    assert (shared.light, shared.use) == ("go", f"Yes. {COUNTS}")
    assert "Effects and p-values need the real rows" in shared.purpose


@pytest.mark.parametrize("faults", [{"complete": False}, {"warning": "They give rows away."}])
def test_rows_to_train_with_that_have_another_fault_are_no_plain_yes_for_training(faults):
    answer = answers(COUNTS, found(("marginal", "age")), None, "train", **faults)
    assert answer.use.startswith("To train a model: with care. To describe the patients: no.")
    unshifted = answers(COUNTS, found(), None, "train", **faults)
    assert unshifted.use.startswith("With care.")


@pytest.mark.parametrize("purpose", [None, "train", "train, the clearest", "share"])
def test_a_subgroup_without_a_row_is_told_and_is_no_green(purpose):
    sentence = "No kept row has outcome 'dead' with sex 'F', where 9.1 % is to be expected."
    answer = answers(COUNTS, found(), None, purpose, lost_groups=[sentence])
    assert (answer.light, sentence in answer.lost) == ("care", True)
    assert ("To describe the patients: no." in answer.use) == (purpose not in (None, "share"))


def test_fewer_rows_than_wanted_are_no_plain_yes_and_none_are_a_no():
    assert answers(COUNTS, found(), None, "train", complete=False).light == "care"
    assert answers("No rows.", None, None, "train").light == "stop"
    warned = answers(COUNTS, found(), None, "train", warning="They give rows away.")
    assert (warned.light, "They give rows away." in warned.use) == ("care", True)


@pytest.mark.parametrize(("few", "light"), [(True, "care"), (False, "go")])
def test_that_nothing_was_found_among_ten_real_rows_is_no_green(few, light):
    answer = answers(COUNTS, replace(found(), few_compared=few), None, "share")
    assert answer.light == light
    assert ("chance explains nearly every difference" in answer.lost) == few


def test_rows_that_no_real_row_is_like_are_not_said_to_have_lost_nothing():
    answer = answers(COUNTS, Shifts(0, True, 10, (), (), (), (), ()), None, "train")
    assert (answer.light, answer.purpose) == ("care", "They are for training a model.")
    assert "no real row" in answer.lost
