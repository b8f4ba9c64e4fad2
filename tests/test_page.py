"""report.html: every figure is that of report.json, and nothing of a table becomes markup."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.llm.scripted import ScriptedModel
from t2local.page import page
from t2local.page.figures import Figures, at
from t2local.page.words import WORDS
from t2local.run.ledger import JudgedRows
from t2local.run.pictures import pictures_of
from t2local.run.two_tables import evaluate_files
from t2local.trim.sanity import COPIES
from tests.patients import patients as make_patients

pytestmark = pytest.mark.usefixtures("few_trees")
GLOSSARY = Path(__file__).parents[1] / "docs" / "glossary.md"
EVIL = '<script>alert("x")</script>'


def run(frame, **options):
    return t2local.generate(
        frame,
        **{"target": "outcome", "rows": 40, "model": ScriptedModel(), "plan": "data", **options},
    )


@pytest.fixture(scope="module")
def result():
    frame = make_patients().rename(columns={"ward": EVIL})
    return run(frame)


class Page(HTMLParser):
    """The figures of a page, and what could ask for something from outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.figures: list[tuple[str, str, str]] = []  # pointer, value, text
        self.tags: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self._open: tuple[str, str] | None = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        own = dict(attrs)
        self.tags.append(tag)
        self.links += [own[name] for name in ("src", "href", "action") if own.get(name)]
        if "id" in own:
            self.ids.append(own["id"])
        if tag == "data":
            self._open = own["data-from"], own["value"]

    def handle_data(self, data):
        if self._open:
            self.figures.append((*self._open, data))
            self._open = None


def at_pointer(report, pointer):
    for key in pointer.split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        report = report[int(name)] if isinstance(report, list) else report[name]
    return report


def check_figures(text, report):
    """Each figure is that of report.json, rounded; returns their places."""
    figures = Page(text).figures
    for pointer, value, text in figures:
        expected = at_pointer(report, pointer)
        assert value == str(expected)
        shown = re.fullmatch(r"(-?[\d,.]+)( %)?", text)
        number = float(shown[1].replace(",", "")) / (100 if shown[2] else 1)
        decimals = len(shown[1].partition(".")[2]) + (2 if shown[2] else 0)
        assert number == pytest.approx(expected, abs=0.5001 * 10.0**-decimals)
    return [pointer for pointer, _, _ in figures]


def test_every_figure_on_the_page_is_that_of_report_json(result):
    report = json.loads(json.dumps(result.report))
    places = check_figures(page(report, result.manifest), report)
    assert len(places) > 60
    assert {place.split("/")[1] for place in places} >= {
        "shifts", "marginals", "subgroups", "rejected_classes", "rejected_examples",
        "benefit", "rows", "stage_effects", "reasons", "labels", "cells", "seconds", "tokens",
    }  # fmt: skip
    pointers = set(places)
    for name in ("linear_kept", "linear_real_oversampled", "ensemble_real"):
        assert f"/benefit/against_real/{name}/low" in pointers


def rules_of(*broken):
    """A report's rules of which so many rows broke each, and were rejected."""
    every = [
        {"words": f"rule {n}", "support": 60 + n, "binds": True, "written": count, "kept": 0}
        for n, count in enumerate(broken)
    ]
    return {"proposed": len(every), "stated": 0, "every": every}


def test_rules_stand_on_the_page_with_the_rows_that_broke_them_the_most_broken_first(result):
    rules = rules_of(0, 7, *[1] * 40)
    rules["every"][1].update(kept=2, support=None)
    report = json.loads(json.dumps({**result.report, "rules": rules}))
    text = page(report, result.manifest)
    check_figures(text, report)
    section = text[text.index('id="rules"') : text.index('id="usefulness"')]
    assert section.index("rule 1<") < section.index("rule 41<")
    assert "rule 0<" not in section
    assert "report.json has all rules" in section
    assert section.count('class="lost"') == 1
    none = page({**result.report, "rules": rules_of()}, result.manifest)
    assert "None was found in the real rows" in none


@pytest.mark.skipif(not GLOSSARY.is_file(), reason="an installed wheel has no documents")
def test_the_words_of_the_page_stand_in_the_glossary_and_on_the_page(result):
    text = page(result.report, result.manifest)
    glossary = GLOSSARY.read_text(encoding="utf-8")
    for word, meaning in WORDS.items():
        assert f"- **{word}**: {meaning}\n" in glossary
        assert f"<dt>{word}</dt><dd>{meaning}</dd>" in text


def test_ten_held_out_rows_are_few_and_shown(tmp_path):
    """Too few for a test of who was in the table, which needs eleven; enough for guesses."""
    frame = make_patients()
    for name, rows in (("real", frame[:30]), ("made", frame[30:50]), ("others", frame[50:60])):
        rows.to_csv(tmp_path / f"{name}.csv", index=False)
    paths = {name: tmp_path / f"{name}.csv" for name in ("real", "made", "others")}
    evaluate_files(
        paths["real"],
        paths["made"],
        out=tmp_path / "out",
        target="outcome",
        holdout=paths["others"],
    )
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    places = check_figures(text, report)
    assert report["privacy"]["membership"] is None
    assert "/privacy/inferences/0/control/value" in places
    assert "/figures/0/difference/low" in places
    assert "--holdout others.csv" not in text


@pytest.mark.parametrize("reason", [*COPIES, "another reason"])
def test_no_example_of_a_rejected_row_repeats_a_real_one(result, reason):
    real, first = result._real, result._real.head(1)
    notes = pd.DataFrame({"row": [1], "stage": ["sanity"], "reason": [reason]})
    judged = JudgedRows(real, first, notes)
    pictures = pictures_of(real, judged, result.dictionary, np.ones(60))
    assert (pictures.rejected_examples == ()) == (reason in COPIES)


def test_the_page_asks_for_nothing_and_names_of_columns_are_text(result):
    text = page(result.report, result.manifest)
    found = Page(text)
    assert not {"script", "img", "iframe", "object", "embed"} & set(found.tags)
    assert all(link.startswith("#") or link == "data:," for link in found.links)
    assert "&lt;script&gt;" in text
    assert sorted(set(found.ids)) == sorted(found.ids)
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)


def test_a_notebook_shows_the_first_three_sections(result):
    ids = Page(result._repr_html_()).ids
    assert [name for name in ids if not name.endswith("-title")] == [
        "verdict",
        "classes",
        "columns",
    ]


def test_forty_columns_fit_into_400_kilobytes(result):
    part = {"label": "140000 to <150000", "real": 1 / 7, "kept": 1 / 7, "low": 0.0, "high": 1 / 3}
    names = [f"a measurement with a long name {n}" for n in range(40)]
    rows = [[1 / 7] * n for n in range(1, 40)]
    wide = {
        **result.report,
        "marginals": [{"column": n, "parts": [part] * 8, "missing": part} for n in names],
        "association_maps": {"columns": names, "real": rows, "kept": rows},
    }
    assert len(page(wide, result.manifest).encode()) < 400_000


def test_runs_without_classes_rows_or_benefit_have_a_page(patients):
    number = run(patients, target="weight", rows=10)
    assert "There are no classes to compare" in page(number.report, number.manifest)
    none = run(patients, rows=1, max_batches=1, settings={"trim.stages": ["sanity"]})
    nothing = {
        **none.report,
        "shifts": None,
        "benefit": None,
        "marginals": [],
        "association_maps": None,
        "answers": {"light": "stop", "use": "No.", "purpose": "", "lost": "All rows."},
    }
    assert "There are no kept rows to show" in page(nothing, none.manifest)


def test_of_ten_real_rows_no_column_and_no_pair_is_shown(patients):
    few = run(patients.head(10), rows=20)
    text = page(few.report, few.manifest)
    assert few.report["association_maps"] is None
    assert "Not shown, as fewer than eleven real rows are compared" in text
    assert "cannot be cut into parts of at least eleven real rows: age, weight, sex" in text
    assert 'class="card"><h3>age' not in text


@pytest.mark.parametrize(("smallest_leak", "light"), [(4, "go"), (None, "care")])
def test_a_test_that_could_find_no_leak_is_no_green(result, smallest_leak, light):
    report = json.loads(json.dumps(result.report))
    assert report["privacy"]["finding"] == "none found"
    report["privacy"]["near_copies"]["smallest_leak"] = smallest_leak
    assert f'class="light {light}"><p><strong>No leak' in page(report, result.manifest)


def test_the_page_says_what_was_asked_for_and_which_real_rows_it_compares(patients):
    some = run(patients, rows=20, where=["age>=55"])
    text = page(some.report, some.manifest)
    check_figures(text, json.loads(json.dumps(some.report)))
    n_real = int((patients["age"] >= 55).sum())
    assert "Asked for were certain values of age" in text
    assert f'/shifts/n_real">{n_real}</data> that have them' in text
    balanced = run(patients, rows=20, balance="uniform")
    text = page(balanced.report, balanced.manifest)
    assert "Expected: the shares that were asked for" in text
    assert "real rows count for more or less" in text
    assert "class</abbr> of outcome" in text
    assert "certain values" not in text


def test_parts_of_a_plan_are_numbered_as_they_are_drawn(result):
    roles = {"first": (), "second": ("first",), "third": ()}
    parts = [
        {"role": role, "features": [role], "parents": list(parents)}
        for role, parents in roles.items()
    ]
    plan = {"source": "manager", "components": parts}
    text = page({**result.report, "plan": plan}, result.manifest)
    titles = re.findall("<h3>(\\d). (first|second|third)</h3>", text)
    assert titles == [("1", "first"), ("2", "third"), ("3", "second")]
    assert "names of the parts are the model's own" in text


def test_an_interval_that_nobody_knows_is_a_dash_and_has_no_picture(result):
    report = json.loads(json.dumps(result.report))
    report["benefit"]["against_real"]["linear_kept"].update(low=None, high=None)
    html = page(report, result.manifest)
    assert '/benefit/against_real/linear_kept/low">–<' in html
    before = page(result.report, result.manifest)
    assert html.count('class="interval"') == before.count('class="interval"') - 1


def test_a_figure_says_where_it_stands_and_a_missing_one_is_a_dash():
    figures = Figures({"a/b": [{"share": 0.043}], "none": None})
    assert str(figures.percent("a/b", 0, "share")) == (
        '<data value="0.043" data-from="/a~1b/0/share">4.3 %</data>'
    )
    assert str(figures.decimal("none")) == '<span data-from="/none">–</span>'


def test_a_place_on_a_scale_stays_within_it():
    assert (at(0.5), at(-1), at(9, 0, 3), at(1, 1, 1)) == ("50.00%", "0.00%", "100.00%", "50.00%")


def test_a_class_of_one_row_has_no_interval_and_a_page(patients):
    patients["outcome"] = ["single"] + ["common"] * 59
    found = run(patients, rows=10)
    assert found.report["benefit"]["auc"]["linear_real"]["low"] is None
    assert "Do they help a model?" in page(found.report, found.manifest)


def test_columns_that_are_not_generated_are_named_and_like_decisions_stand_together(patients):
    few = run(patients.assign(case=[f"case {n}" for n in range(60)]), rows=10)
    commas = [
        {"what": name, "value": "decimal commas", "reason": "so they are"} for name in ("a", "b")
    ]
    manifest = {**few.manifest, "decisions": [*commas, *few.manifest["decisions"]]}
    text = page(few.report, manifest)
    assert "case is not written by the model" in text
    assert text.count("decimal commas") == 1
    assert '<th scope="row">a, b</th>' in text
