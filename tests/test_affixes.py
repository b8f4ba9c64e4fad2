"""Units, currencies and percent signs around the numbers of a column."""

import pytest

from t2local.tables.affixes import affix_of, with_affix, without_affix
from t2local.tables.describe import describe
from t2local.tables.dictionary import Feature
from t2local.tables.reading import read_table, write_like


@pytest.mark.parametrize(
    ("cells", "affix"),
    [
        (["12 mg", "5 mg"], ("", " mg")),
        (["12mg", "5mg"], ("", "mg")),
        (["45%", "7.5%"], ("", "%")),
        (["€ 5,20", "€ 1.300,00"], ("€ ", "")),
        (["$1,200", "$7"], ("$", "")),
        (["1.2 mmol/L", ".7 mmol/L"], ("", " mmol/L")),
        (["37,1 °C", "-3 °C"], ("", " °C")),
        (["12 mg", "5 g"], ("", "")),  # two units are two quantities
        (["12 mg", "5"], ("", "")),
        (["12", "5"], ("", "")),
        (["$,,1", "$2"], ("", "")),  # the first is no number
        (["50s", "60s"], ("", "")),  # decades
        (["3rd", "4th"], ("", "")),
        (["P12", "P13"], ("", "")),  # codes
        (["I21", "I22"], ("", "")),
        (["12 Mädchen", "5 Mädchen"], ("", "")),
        (["mg", "mg"], ("", "")),
        ([], ("", "")),
    ],
)
def test_an_affix_is_that_of_all_numbers(cells, affix):
    assert affix_of(cells) == affix
    numbers = [without_affix(cell, affix) for cell in cells]
    assert [with_affix(number, affix) for number in numbers] == cells


def table(tmp_path, content):
    path = tmp_path / "t.csv"
    path.write_text(content)
    return read_table(path)


def test_a_column_with_a_unit_is_one_of_numbers_and_is_written_with_it(tmp_path):
    content = "dose;fee;y\n" + "".join(f"{n / 10} mg;€ {n},50;{n % 2}\n" for n in range(500, 530))
    read = table(tmp_path, content.replace("50.0 mg", "NA"))
    assert [(each.what, each.value) for each in read.decisions] == [
        ("dose", "... mg"),
        ("fee", "€ ..."),
        ("fee", "decimal commas"),
    ]
    features = {feature.name: feature for feature in describe(read.cells).features}
    assert (features["dose"].type, features["dose"].missing) == ("decimal", True)
    assert features["fee"].type == "decimal"
    write_like(read, tmp_path / "again.csv", read.cells)
    again = (tmp_path / "again.csv").read_text()
    assert again.startswith("dose;fee;y\nNA;€ 500,50;0\n50.1 mg;€ 501,50;1\n")


def test_levels_of_a_dictionary_that_have_a_unit_stay_levels(tmp_path):
    read = table(tmp_path, "dose,y\n5 mg,a\n10 mg,b\n5 mg,b\n")
    dose = Feature(name="dose", type="ordinal", levels=("5 mg", "10 mg"))
    values = dose.values(read.cells["dose"])
    assert values.tolist() == ["5 mg", "10 mg", "5 mg"]
    write_like(read, tmp_path / "again.csv", read.cells.assign(dose=values))
    assert (tmp_path / "again.csv").read_text() == (tmp_path / "t.csv").read_text()
