"""What ``--set``, ``--format`` and ``--output`` do."""

import json
import math

import pytest

from t2local.cli import options
from t2local.cli.options import read_settings, render, write
from t2local.errors import ResourceError, UsageError


def test_texts_become_settings_and_the_later_wins():
    settings = read_settings(["trim.kappa=0.25", "team.examples=3", "trim.kappa=0.5"])
    assert (settings.trim.kappa, settings.team.examples) == (0.5, 3)
    assert read_settings(["trim.gate_sd=none"]).trim.gate_sd is None


def test_the_option_examples_comes_after_the_setting_and_zero_is_a_number():
    none_shown = {"team.examples": 0}
    assert read_settings(["team.examples=3"], options=none_shown).team.examples == 0
    assert read_settings(["team.examples=3"]).team.examples == 3
    left_out = {"team.examples": None, "trim.purpose": "share"}
    settings = read_settings(["team.examples=3", "trim.purpose=train"], options=left_out)
    assert (settings.team.examples, settings.trim.purpose) == (3, "share")
    assert read_settings([], "paper").team.examples == 10


def test_a_setting_over_the_preset():
    settings = read_settings(["trim.gate=utility"], "paper")
    assert (settings.trim.gate, settings.trim.diversity) == ("utility", "relative")


def test_every_text_without_an_equals_sign_is_named():
    with pytest.raises(UsageError) as caught:
        read_settings(["trim.kappa", "trim.gate=utility", "x"])
    assert caught.value.faults == ("'trim.kappa' has no =", "'x' has no =")


def test_an_equals_sign_in_the_value_belongs_to_the_value():
    with pytest.raises(UsageError, match="Some settings"):
        read_settings(["trim.gate=utility=1"])


def test_an_old_name_works_and_is_noted_on_stderr(capsys):
    assert read_settings(["trim.label_chance=0.5"]).trim.significance_level == 0.5
    shown = capsys.readouterr()
    assert shown.err == "note: the setting trim.label_chance is now trim.significance_level\n"
    assert shown.out == ""
    read_settings(["trim.significance_level=0.5"])
    assert capsys.readouterr().err == ""


def test_a_result_is_a_text_or_one_line_of_json(capsys):
    figures = {"a": [1, math.nan], "ö": "x"}
    render(figures, "two\nlines", "human")
    assert capsys.readouterr().out == "two\nlines\n"
    render(figures, "two\nlines", "json")
    line = capsys.readouterr().out
    assert line.count("\n") == 1
    assert json.loads(line) == {"a": [1, None], "ö": "x"}


def test_a_text_goes_to_stdout_or_into_a_file(tmp_path, capsys):
    write("a\nb", None)
    assert capsys.readouterr().out == "a\nb"  # nothing is added: it may be a file's content
    write("a\nb", tmp_path / "t.txt")
    assert (tmp_path / "t.txt").read_text() == "a\nb"
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == ("", f"Written to {tmp_path / 't.txt'}\n")
    with pytest.raises(ResourceError, match="cannot be written"):
        write("a", tmp_path / "none" / "t.txt")


def test_figures_about_the_rows_of_a_run_go_beside_its_folder(tmp_path):
    alone = tmp_path / "made.csv"
    assert options.beside(alone, ".evaluated") == tmp_path / "made.evaluated"
    folder = tmp_path / "data.t2local"
    folder.mkdir()
    (folder / "journal.jsonl").touch()
    assert options.beside(folder / "synthetic.csv", ".evaluated") == tmp_path / "data.evaluated"
