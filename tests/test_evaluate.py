"""Figures on synthetic rows: against cases worked by hand, plain loops, limits, and values frozen from sdmetrics."""

import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import t2local
from t2local.cli import main
from t2local.errors import InputError
from t2local.evaluate import fidelity, privacy, utility
from t2local.stats.encoding import Encoder
from t2local.tables.files import cells_of

ALPHAS = np.linspace(0, 1, 30)


def two(n=60, seed=1, shift=0.0):
    rng = np.random.default_rng(seed)
    x = rng.normal(shift, 1, (n, 2)).round(3)
    kind = rng.choice(["a", "b", "c"], n)
    y = np.where(x[:, 0] + (kind == "a") + rng.normal(0, 0.3, n) > 0.5, "yes", "no")
    return pd.DataFrame({"p": x[:, 0], "q": x[:, 1], "kind": kind, "y": y})


def values(frame, known=None):
    known = known or t2local.describe(frame, target="y")
    return known, known.values(cells_of(frame))


def by_loops(real, made):
    """Alpha-precision and beta-recall as they are defined, row by row."""
    low, high = real.min(axis=0), real.max(axis=0)
    real, made = (real - low) / (high - low), (made - low) / (high - low)
    centre, own = real.mean(axis=0), made.mean(axis=0)
    reach = [np.linalg.norm(row - centre) for row in real]
    near = []
    for i, row in enumerate(real):
        to_made = [np.linalg.norm(row - other) for other in made]
        to_real = [np.linalg.norm(row - other) for j, other in enumerate(real) if j != i]
        near.append(
            (min(to_made) <= min(to_real), np.linalg.norm(made[int(np.argmin(to_made))] - own))
        )
    precision = recall = 0.0
    for alpha in ALPHAS:
        inside = np.mean(
            [np.linalg.norm(row - centre) <= np.quantile(reach, alpha) for row in made]
        )
        ball = np.quantile([distance for _, distance in near], alpha)
        precision += abs(alpha - inside)
        recall += abs(alpha - np.mean([close and distance <= ball for close, distance in near]))
    return 1 - precision / ALPHAS.sum(), 1 - recall / ALPHAS.sum()


@pytest.mark.parametrize("shift", [0.0, 0.5, 3.0])
def test_alpha_precision_and_beta_recall_are_their_definition(shift):
    rng = np.random.default_rng(3)
    real, made = rng.normal(0, 1, (25, 3)), rng.normal(shift, 1, (25, 3))
    assert fidelity.precision_and_recall(real, made, 1) == pytest.approx(by_loops(real, made))


def test_alpha_precision_by_hand():
    # Real rows 0 and 1 have their centre at 0.5, both at distance 0.5: every region but the empty share holds all of
    # 0.4 and 0.6, so the shares are 1 at all of the 30 alphas, and their errors add up to the sum of 1 - alpha = 15.
    real, made = np.array([[0.0], [1.0]]), np.array([[0.4], [0.6]])
    precision, recall = fidelity.precision_and_recall(real, made, 1)
    assert precision == pytest.approx(0.0)
    # Each real row is nearer to a made one (0.4) than to the other real one (1); both made ones are as far from their centre.
    assert recall == pytest.approx(0.0)


def test_limits_of_fidelity():
    rng = np.random.default_rng(4)
    real = rng.normal(0, 1, (200, 4))
    assert fidelity.precision_and_recall(real, real.copy(), 1) == pytest.approx(
        (1.0, 1.0), abs=0.02
    )
    assert fidelity.precision_and_recall(real, real + 100, 1) == pytest.approx((0.0, 0.0), abs=0.02)
    fresh = rng.normal(0, 1, (200, 4))
    assert fidelity.c2st_auc(real, fresh, 1)["linear"] < 0.65
    assert fidelity.c2st_auc(real, real + 100, 1) == pytest.approx(
        {"linear": 1.0, "trees": 1.0}, abs=0.01
    )
    assert 0.4 < fidelity.goggle_detection(real, fresh, 1) < 0.65


def test_numbers_levels_and_blanks_are_encoded_as_synthcity_does():
    frame = pd.DataFrame(
        {
            "few": [5, 9, 5, 7] * 4,
            "many": np.arange(16) * 1.5,
            "kind": ["x", None, "y", "x"] * 4,
            "y": ["a", "b"] * 8,
        }
    )
    known, rows = values(frame)
    (matrix,) = fidelity.encoded(known, ["few", "many", "kind"], rows)
    assert matrix[:4, 0].tolist() == [0, 2, 0, 1]
    assert matrix[:4, 1].tolist() == [0, 1.5, 3, 4.5]
    assert matrix[:4, 2].tolist() == [1, 0, 2, 1]


def test_gowers_distance_is_its_definition():
    frame = pd.DataFrame(
        {"p": [0.0, 1.0, 4.0, None] * 5, "kind": ["x", "y", None, "x"] * 5, "y": ["a", "b"] * 10}
    )
    known, rows = values(frame)
    gower = privacy.Gower(known, ["p", "kind"], rows)
    one = rows.iloc[:4].reset_index(drop=True)
    expected = [[0, 0.625, 1, 0.5], [0.625, 0, 0.875, 1], [1, 0.875, 0, 1], [0.5, 1, 1, 0]]
    for i in range(4):
        found = [
            float(gower.nearest(one.iloc[[i]], one.iloc[[j]].reset_index(drop=True))[0, 0])
            for j in range(4)
        ]
        assert found == pytest.approx(expected[i])
    assert gower.nearest(one, one, others=True)[:, 0] == pytest.approx([0.5, 0.625, 0.875, 0.5])


def test_copies_are_seen():
    known, real = values(two())
    names = ["p", "q", "kind", "y"]
    gower = privacy.Gower(known, names, real)
    copied = privacy.closeness(gower, real, real.iloc[:20].reset_index(drop=True), 4)
    assert (copied["copies"], copied["distance"], copied["identifiable"]) == (
        1.0,
        0.0,
        pytest.approx(20 / 60, abs=0.05),
    )
    fresh = privacy.closeness(gower, real, values(two(seed=2), known)[1], 4)
    assert (fresh["copies"], fresh["near copies"] < 0.2, fresh["distance"] > 0) == (0.0, True, True)


#: By how far the made rows are shifted: mean and median distance to the closest record, and the linear detection (2 AUC - 1).
FROZEN = {
    0.0: (0.029576, 0.024078, 0.0021),
    0.5: (0.034140, 0.022737, 0.3085),
    1.5: (0.064965, 0.054758, 0.7851),
}


def table(seed, shift):
    """As in tests/sdmetrics_values.py, which made FROZEN with sdmetrics 0.32.0."""
    rng = np.random.default_rng(seed)
    p = rng.normal(shift, 1, 150).round(3)
    q = rng.uniform(0, 10, 150).round(2)
    q[rng.random(150) < 0.1] = np.nan
    return pd.DataFrame(
        {"p": p, "q": q, "kind": rng.choice(["a", "b", "c"], 150), "y": ["no", "yes"] * 75}
    )


@pytest.mark.parametrize("shift", FROZEN)
def test_what_sdmetrics_finds(shift):
    known, real = values(table(1, 0.0))
    _, made = values(table(2, shift), known)
    names, encoder = ["p", "q", "kind"], Encoder(known.input_features, real)
    distances = privacy.Gower(known, names, real).nearest(made, real)[:, 0]
    mean, median, detection = FROZEN[shift]
    assert (distances.mean(), np.median(distances)) == pytest.approx((mean, median), abs=2e-6)
    told = fidelity.c2st_auc(encoder.transform(real), encoder.transform(made), 1)["linear"]
    # sdmetrics cuts into 3 folds and counts an AUC below a half as a half.
    assert 2 * told - 1 == pytest.approx(detection, abs=0.1 if shift else 0.15)


def test_the_downstream_models_learn_what_there_is_to_learn():
    known, train = values(two(300))
    _, test = values(two(300, seed=2), known)
    scores = utility.downstream(known, train, test, 1)
    assert scores["auc"] > 90
    assert scores["accuracy"] > 80
    noise = train.assign(y=np.random.default_rng(1).permutation(train["y"]))
    assert utility.downstream(known, noise, test, 1)["auc"] < 65


def test_a_class_that_was_never_seen_has_an_auc_of_one_half():
    frame = two(120).assign(y=np.random.default_rng(1).choice(["no", "yes", "rare"], 120))
    known, rows = values(frame)
    scores = utility.downstream(known, rows[rows["y"] != "rare"], rows, 1)
    assert scores["auc of rare"] == pytest.approx(50.0)


def test_a_number_as_target():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"p": rng.normal(0, 1, 80).round(3), "q": rng.normal(0, 1, 80).round(3)}
    ).assign(y=lambda rows: (1000 + 50 * rows["p"]).round(2))
    result = t2local.evaluate(frame.iloc[:40], frame.iloc[40:], target="y")
    assert {figure.name for figure in result.figures if figure.group == "utility (%)"} == {
        "r2, real + synthetic",
        "r2, synthetic",
    }
    assert all(figure.value > 50 for figure in result.figures if figure.group == "utility (%)")


def test_every_figure_has_range_direction_and_reference(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, rows in {"real": two(24), "made": two(24, seed=2), "kept": two(24, seed=3)}.items():
        rows.to_csv(f"{name}.csv", index=False)
    done = CliRunner().invoke(
        main,
        [
            "evaluate",
            "real.csv",
            "made.csv",
            "--target",
            "y",
            "--holdout",
            "kept.csv",
            "--format",
            "json",
        ],
    )
    assert done.exit_code == 0, done.output
    report = json.loads((tmp_path / "made.evaluated" / "report.json").read_text())
    assert {figure["group"] for figure in report["figures"]} == {
        "utility (%)",
        "fidelity",
        "privacy",
    }
    for figure in report["figures"]:
        assert figure["lowest"] <= figure["value"] <= figure["highest"]
        assert np.isfinite(figure["reference"])
        assert figure["better"]
        assert figure["against"]
    assert json.loads(done.stdout) == report
    alone = CliRunner().invoke(
        main, ["evaluate", "real.csv", "made.csv", "--target", "p"]
    )  # a number: its r2 has no lower bound
    assert alone.exit_code == 0
    assert "alpha-precision" in alone.stdout
    assert "half of the real rows" in alone.stdout
    text = (tmp_path / "made.evaluated" / "report.json").read_text()
    assert json.loads(text)["figures"][0]["lowest"] is None
    assert "Infinity" not in text
    assert "NaN" not in text


def test_what_cannot_be_evaluated_is_said():
    with pytest.raises(InputError, match="10 are needed"):
        t2local.evaluate(two(), two(5), target="y")
    with pytest.raises(InputError, match="lack columns"):
        t2local.evaluate(two(), two().drop(columns="q"), target="y")
    with pytest.raises(InputError, match="no label"):
        t2local.evaluate(two(), two().assign(y=None), target="y")
    with pytest.raises(InputError, match="60 synthetic rows have a label"):
        t2local.evaluate(two(), two().assign(y="maybe"), target="y")
