"""The runner of the paper's studies (bench/paper): resumed, failures named, and a study of two seeds with the starter model."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

classical = pytest.importorskip(
    "bench.paper.classical", reason="bench/ is not beside an installed package"
)
prompting = pytest.importorskip("bench.paper.prompting")
report = pytest.importorskip("bench.paper.report")
table = pytest.importorskip("bench.paper.table")
STUDIES = pytest.importorskip("bench.paper.studies").STUDIES
ROOT = Path(__file__).parents[1]
PLAIN = [
    "oversampling",
    "jitter",
    "columns + ensemble labels",
    "tree + ensemble labels",
    "jitter + ensemble labels",
]


def run(out, *arguments, **environment):
    command = [sys.executable, "-m", "bench.paper", "run", "--out", str(out), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment or None
    )


@pytest.mark.parametrize("study", ["imbalance", "incompleteness", "noise", "travel"])
def test_methods_give_as_many_rows_as_they_are_asked_for_within_the_dictionary(study):
    task = STUDIES[study][0].task(3)
    for name in PLAIN:
        rows = classical.METHODS[name](task)
        assert len(rows) == task.rows
        assert list(rows) == task.known.names
        for feature in task.known.features:
            assert all(mask.all() for mask in feature.obeyed(rows[feature.name]).values()), (
                name,
                feature.name,
            )


def test_settings_are_what_they_say():
    risk = STUDIES["imbalance"][0].task(1)
    assert risk.real["Risk"].value_counts().to_dict() == {"LR": 7, "MR": 2, "HR": 1}
    assert risk.test["Risk"].value_counts().to_dict() == {"LR": 350, "MR": 100, "HR": 50}
    lacking = STUDIES["incompleteness"][0].task(1)
    assert set(lacking.real["Risk"]) == {"LR", "MR"}
    assert lacking.known["Risk"].levels == ("LR", "MR", "HR")
    again = STUDIES["imbalance"][0].task(1)
    assert again.real.equals(risk.real)
    assert again.test.equals(risk.test)


def test_the_curation_of_cllm_drops_what_d_ori_finds_wrong():
    task = STUDIES["travel"][0].task(1)
    wrong = task.test.assign(accept=task.test["accept"].map({"yes": "no", "no": "yes"}))
    kept = prompting.curate(task, pd.concat([task.test, wrong], ignore_index=True))
    assert (kept.index < len(task.test)).mean() > 0.8
    assert len(kept) > 0.9 * len(task.test)


def test_a_study_is_resumed_and_failures_are_named_and_counted(tmp_path):
    arguments = ["--study", "smoke", "--seeds", "0-1", "--methods", "D_ori,oversampling,jitter"]
    assert run(tmp_path, *arguments).returncode == 0
    path = tmp_path / "smoke.jsonl"
    whole = path.read_text()
    assert len(whole.splitlines()) == 6
    path.write_text(whole[: len(whole) - 40])  # killed while it wrote
    assert [line["method"] for line in table.read(path)] == [
        "D_ori",
        "oversampling",
        "jitter",
    ] * 1 + ["D_ori", "oversampling"]
    done = run(
        tmp_path,
        "--study",
        "sizes",
        "--setting",
        "COMPAS, n=20",
        "--seeds",
        "0-0",
        PATH="",
        T2LOCAL_BENCH_DATA=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    said = table.markdown([tmp_path / "sizes.jsonl"], range(10))
    assert "Failed: D_ori, 2 times" in said  # n=20 and n=200
    assert "Failed: ours, 2 times" in said
    assert "T2LOCAL_BENCH_DATA" in said


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (["--seeds", "9-0"], "'9-0' is neither a seed nor a first and a last one"),
        (["--setting", "n=11"], "no such setting: n=11; there are Diabetes 7:2:1, n=10"),
        (["--methods", "D_ori,mine"], "no such methods: mine; there are D_ori,"),
    ],
)
def test_a_study_that_cannot_be_run_is_refused(wrong, told, tmp_path):
    done = run(tmp_path, "--study", "smoke", *wrong)
    assert done.returncode
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_results_page_is_its_text_and_its_results_and_the_readme_claims_what_it_says():
    page = report.TARGET.read_text(encoding="utf-8")
    assert page == report.written(), "python -m bench.paper report"
    assert "{{" not in page
    claims = (
        (ROOT / "README.md")
        .read_text(encoding="utf-8")
        .split("## What added rows are worth")[1]
        .split("\n## ")[0]
    )
    lines = [line for line in claims.splitlines() if line.startswith("| ")]
    assert len(lines) > 10
    assert not set(lines) - set(page.splitlines())


def test_tables_have_means_intervals_ranks_and_the_seeds_that_are_missing(tmp_path):
    lines = []
    for seed, (ours, other) in enumerate([(80, 70), (82, 75), (84, 90)]):
        for method, auc in (("D_ori", 70), ("ours", ours), ("other", other)):
            lines.append(
                {
                    "setting": "s",
                    "n": 10,
                    "seed": seed,
                    "group": method,
                    "method": method,
                    "rows": 5,
                    "seconds": 1,
                    "tokens": [1, 2],
                    "figures": {"auc": auc},
                }
            )
    lines.pop()
    lines.append(
        {
            "setting": "s",
            "n": 10,
            "seed": 2,
            "group": "other",
            "method": "other",
            "error": "ValueError: no",
        }
    )
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = table.markdown([tmp_path / "s.jsonl"], range(10))
    assert "| ours | 82.0 ± 5.0 |" in said
    assert "[2]" in said
    assert "Failed: other, 1 times; the first: ValueError: no" in said
    ranks = table.ranks(table.frame([tmp_path / "s.jsonl"], range(10)))
    assert ranks.to_dict() == {"ours": 1.0, "other": 2.0}
    assert "ours (mean rank" not in said  # one setting is no standing
    elsewhere = [
        {**line, "setting": "t", "figures": {"auc": 100 - line["figures"]["auc"]}}
        for line in lines[:-1]
    ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(line) + "\n" for line in elsewhere))
    both = table.markdown([tmp_path / "s.jsonl", tmp_path / "t.jsonl"], range(10))
    assert (
        "| D_ori |  | 0.0 ± 13.9 | 1 of 2 | 1 of 2 |" in both
    )  # 10, 12, 14 above in s, as far below in t


@pytest.mark.model
def test_a_study_of_two_seeds_with_the_starter_model(tmp_path):
    done = run(tmp_path, "--study", "smoke", "--seeds", "0-1")
    assert done.returncode == 0, done.stderr
    lines = table.read(tmp_path / "smoke.jsonl")
    good = {line["method"] for line in lines if "error" not in line}
    assert {
        "D_ori",
        "the ensemble itself",
        *PLAIN,
        "CLLM",
        "EPIC",
        "paper mode",
        "ours",
        "team alone",
    } <= good
    # What needs the bench extra may be missing here, and then it is said.
    assert {line["method"] for line in lines if "error" in line} <= {
        "SMOTE",
        "SMOTE + ensemble labels",
        "CTGAN",
        "TVAE",
    }
    for line in lines:
        if line["method"] in {"CLLM", "EPIC", "ours"}:
            assert np.isfinite(line["figures"]["auc"])
            assert line["rows"] == 20
    assert "ours minus" in table.markdown([tmp_path / "smoke.jsonl"], range(2))
