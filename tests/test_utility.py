import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from t2local.evaluate import utility
from t2local.evaluate.utility import Predictions
from t2local.tables.dictionary import Feature
from tests.pairs import two, values

CLASSES = Feature(name="y", type="category", levels=("a", "b", "c", "d"))
NUMBER = Feature(name="y", type="integer", minimum=0, maximum=9)


def auc_by_pairs(scores, positive):
    """The share of pairs in which the positive row has the higher score; a tie is a half."""
    above = [s for s, p in zip(scores, positive, strict=True) if p]
    below = [s for s, p in zip(scores, positive, strict=True) if not p]
    return np.mean([(a > b) + (a == b) / 2 for a in above for b in below])


def test_scores_of_classes_are_their_definitions():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 30)  # no row has class d
    predictions = Predictions(rng.random((30, 4)).round(1), labels)
    found = utility.scores(predictions, CLASSES)
    aucs = [auc_by_pairs(predictions.scores[:, k], labels == k) for k in range(3)]
    assert [found[f"auc of {level}"] for level in "abc"] == pytest.approx(100 * np.array(aucs))
    assert found["auc"] == pytest.approx(100 * np.mean(aucs))
    likeliest = [int(np.argmax(row)) for row in predictions.scores]
    assert found["accuracy"] == pytest.approx(100 * np.mean(likeliest == labels))
    recalls = [np.mean([likeliest[i] == k for i in range(30) if labels[i] == k]) for k in range(3)]
    assert found["recall"] == pytest.approx(100 * np.mean(recalls))
    options = {"average": "macro", "labels": [0, 1, 2], "zero_division": 0}
    assert found["f1"] == pytest.approx(100 * f1_score(labels, likeliest, **options))
    assert found["recall"] == pytest.approx(100 * recall_score(labels, likeliest, **options))
    assert "auc of d" not in found


def test_perfect_and_useless_predictions():
    labels = np.array([0, 1, 2, 0])
    perfect = utility.scores(Predictions(np.eye(4)[labels], labels), CLASSES)
    assert set(perfect.values()) == {100.0}
    useless = utility.scores(Predictions(np.zeros((4, 4)), labels), CLASSES)
    assert (useless["auc"], useless["accuracy"]) == (50.0, 50.0)
    lone = utility.scores(Predictions(np.eye(4)[[0, 0]], np.array([0, 0])), CLASSES)
    assert np.isnan(lone["auc"])
    assert lone["accuracy"] == 100


def test_r_squared_by_hand():
    labels = np.array([1.0, 2.0, 3.0])
    found = utility.scores(Predictions(np.array([[1.0], [2.0], [4.0]]), labels), NUMBER)
    assert found == {"r2": pytest.approx(100 * (1 - (1 / 3) / (2 / 3)))}
    assert utility.scores(Predictions(labels[:, None], labels), NUMBER)["r2"] == 100
    mean = utility.scores(Predictions(np.full((3, 1), 2.0), labels), NUMBER)
    assert mean["r2"] == pytest.approx(0)
    constant = Predictions(np.array([[3.0], [3.0]]), np.array([2.0, 2.0]))
    assert utility.scores(constant, NUMBER)["r2"] == 0  # 1 - 1 over a variance that counts as 1


def test_metrics_are_those_of_the_label():
    assert [metric.name for metric in utility.metrics_of(CLASSES)] == [
        "auc",
        "accuracy",
        "f1",
        "recall",
    ]
    assert [metric.name for metric in utility.metrics_of(NUMBER)] == ["r2"]


def test_the_downstream_models_learn_what_there_is_to_learn():
    dictionary, train = values(two(300))
    _, test = values(two(300, seed=2), dictionary)
    scores = utility.downstream(dictionary, train, test, 1)
    assert scores["auc"] > 90
    assert scores["accuracy"] > 80
    noise = train.assign(y=np.random.default_rng(1).permutation(train["y"]))
    assert utility.downstream(dictionary, noise, test, 1)["auc"] < 65


def test_a_class_that_was_never_seen_has_an_auc_of_one_half():
    frame = two(120).assign(y=np.random.default_rng(1).choice(["no", "yes", "rare"], 120))
    dictionary, rows = values(frame)
    scores = utility.downstream(dictionary, rows[rows["y"] != "rare"], rows, 1)
    assert scores["auc of rare"] == pytest.approx(50.0)


def test_training_rows_of_one_class_predict_it_always():
    dictionary, rows = values(two(30))
    lone = rows[rows["y"] == "no"]
    scores = utility.downstream(dictionary, lone, rows, 1)
    assert scores["auc"] == 50
    assert scores["accuracy"] == pytest.approx(100 * (rows["y"] == "no").mean())


def test_the_scale_is_that_of_the_rows_that_are_named():
    dictionary, rows = values(two(40).assign(y=lambda frame: 3 * frame["p"]))
    test = rows.iloc[:20]
    train = rows.iloc[20:]
    own = utility.downstream(dictionary, train, test, 1)
    assert own["r2"] > 40
    assert utility.downstream(dictionary, train, test, 1, scale=train) == own
    assert utility.downstream(dictionary, train, test, 1, scale=test) != own
