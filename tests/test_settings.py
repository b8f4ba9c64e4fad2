"""Settings: names, bounds, presets, the environment, and names of yesterday."""

import math
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st
from pydantic import ValidationError

import t2local
from t2local import settings as module
from t2local.errors import UsageError
from t2local.settings import NAMES, PRESETS, Settings, shipped, state_home

OLD, NEW = "trim.label_chance", "trim.significance_level"
#: Each setting and its default.
DEFAULTS = {
    f"{group}.{name}": value
    for group, part in Settings().model_dump().items()
    for name, value in part.items()
}
VALUES = st.one_of(
    st.integers(-10, 200_000),
    st.floats(),
    st.text(max_size=5),
    st.booleans(),
    st.none(),
    st.sampled_from(["none", "utility", "row", "0.5", "worker", "1e9", "nan"]),
)


def fields():
    """Every setting, its name and its field."""
    for group, info in Settings.model_fields.items():
        for name, field in info.annotation.model_fields.items():
            yield f"{group}.{name}", field


def limits(field):
    """The bounds that a field declares, by their names in annotated_types."""
    found = {}
    for constraint in field.metadata:
        for key in ("ge", "gt", "le", "lt"):
            if getattr(constraint, key, None) is not None:
                found[key] = getattr(constraint, key)
    return found


def test_settings_name_every_unknown_and_every_wrong_value(monkeypatch):
    with pytest.raises(UsageError) as caught:
        t2local.Settings.load({"trim.kapa": 1, "team.examples": -3, "trim.gate": "none of these"})
    message = str(caught.value)
    assert "did you mean trim.kappa?" in message
    assert "team.examples" in message
    assert "trim.gate" in message
    monkeypatch.setenv("T2LOCAL_TRIM_KAPPA", "0.25")
    assert t2local.Settings.load().trim.kappa == 0.25
    assert t2local.Settings.load({"trim.kappa": 0.5}).trim.kappa == 0.5


@trials(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(NAMES)) | st.text(max_size=9), VALUES, max_size=5))
def test_any_names_and_values_are_settings_or_an_error_that_names_each_fault(values):
    """Each value is also tried alone: a fault must not hide behind another."""

    def faulty(name):
        try:
            Settings.load({name: values[name]})
        except UsageError:
            return True
        return False

    wrong = {name for name in values if faulty(name)}
    if not wrong:
        loaded = Settings.load(values).model_dump()
        assert all(name.split(".")[1] in loaded[name.split(".")[0]] for name in values)
        return
    with pytest.raises(UsageError) as caught:
        Settings.load(values)
    for name in wrong:
        assert any(fault.startswith((f"{name}: ", f"{name}.")) for fault in caught.value.faults)
    assert all(fault.startswith(tuple(wrong)) for fault in caught.value.faults)


@pytest.mark.parametrize(("name", "field"), list(fields()), ids=[name for name, _ in fields()])
def test_every_setting_says_what_it_is_and_its_default_is_in_bounds(name, field):
    assert field.description
    assert Settings.load({name: DEFAULTS[name]}) == Settings()


@pytest.mark.parametrize(("name", "field"), list(fields()), ids=[name for name, _ in fields()])
def test_a_bound_is_taken_or_refused_as_it_is_declared(name, field):
    bounds = limits(field)
    step = 1 if field.annotation is int else 1e-6
    group, key = name.split(".")
    for kind, bound in bounds.items():
        outside = bound - step if kind in ("ge", "gt") else bound + step
        with pytest.raises(UsageError, match=name):
            Settings.load({name: outside})
        if kind in ("ge", "le"):
            assert getattr(getattr(Settings.load({name: str(bound)}), group), key) == bound
        else:
            with pytest.raises(UsageError, match=name):
                Settings.load({name: bound})
    if bounds:
        assert {"ge", "gt"} & bounds.keys()
        assert {"le", "lt"} & bounds.keys()
        with pytest.raises(UsageError, match=name):
            Settings.load({name: math.nan})


def test_every_setting_is_reached_by_the_environment(monkeypatch):
    for name in sorted(NAMES):
        monkeypatch.setenv("T2LOCAL_" + name.replace(".", "_").upper(), "no value of any setting")
    with pytest.raises(UsageError) as caught:
        Settings.load()
    texts = {"trim.stages", "table.sheet"}  # checked where the stages and the sheets are
    assert {fault.partition(":")[0] for fault in caught.value.faults} == NAMES - texts


def test_names_of_stages_are_split_at_commas_or_given_one_by_one():
    assert Settings().trim.stages is None
    assert Settings.load({"trim.stages": "sanity,cost"}).trim.stages == ("sanity", "cost")
    assert Settings.load({"trim.stages": ["cost"]}).trim.stages == ("cost",)
    assert Settings.load({"trim.stages": "none"}).trim.stages is None


def test_other_variables_are_no_settings(monkeypatch):
    monkeypatch.setenv("T2LOCAL_HOME", "/nowhere")
    monkeypatch.setenv("T2LOCAL_TRIM_KAPA", "1")
    assert Settings.load() == Settings()


def test_the_later_of_preset_environment_and_value_wins(monkeypatch):
    assert Settings.load().team.examples == 20
    assert Settings.load(preset="paper").team.examples == 10
    monkeypatch.setenv("T2LOCAL_TEAM_EXAMPLES", "7")
    assert Settings.load(preset="paper").team.examples == 7
    assert Settings.load({"team.examples": 3}, "paper").team.examples == 3


def test_presets_are_made_of_settings_in_bounds():
    for preset, values in PRESETS.items():
        loaded = Settings.load(preset=preset).model_dump()
        for name, value in values.items():
            group, key = name.split(".")
            assert loaded[group][key] == value
    with pytest.raises(UsageError, match="no preset 'papers'") as caught:
        Settings.load(preset="papers")
    assert "default, paper" in caught.value.next_step


def test_none_is_a_value_where_a_setting_can_be_without_one():
    assert Settings.load({"trim.gate_sd": "none"}).trim.gate_sd is None
    with pytest.raises(UsageError, match=r"trim\.kappa"):
        Settings.load({"trim.kappa": "none"})


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError):
        Settings().trim.kappa = 0.5


def test_settings_read_back_from_a_manifest():
    chosen = Settings.load({"trim.gate_sd": 0.5}, "paper")
    assert Settings.model_validate(chosen.model_dump(mode="json")) == chosen


def test_an_old_name_works_in_values_and_warns():
    with pytest.warns(DeprecationWarning, match=f"{OLD} is now {NEW}") as caught:
        chosen = Settings.load({OLD: "0.25"})
    assert chosen.trim.significance_level == 0.25
    assert caught[0].filename == __file__  # the line of the caller, which is the one to change


def test_an_old_name_works_in_the_environment_and_warns(monkeypatch):
    monkeypatch.setenv("T2LOCAL_TRIM_LABEL_CHANCE", "0.25")
    with pytest.warns(DeprecationWarning, match=NEW):
        assert Settings.load().trim.significance_level == 0.25
    with pytest.warns(DeprecationWarning, match=NEW):
        assert Settings.load({NEW: 0.5}).trim.significance_level == 0.5


@pytest.mark.parametrize("names", [(OLD, NEW), (NEW, OLD)])
def test_the_new_name_counts_where_both_are_given(names):
    values = {name: {OLD: 0.25, NEW: 0.5}[name] for name in names}
    with pytest.warns(DeprecationWarning, match=NEW):
        assert Settings.load(values).trim.significance_level == 0.5


def test_a_wrong_value_under_an_old_name_is_reported_under_the_new_one():
    with pytest.warns(DeprecationWarning, match=NEW), pytest.raises(UsageError, match=NEW):
        Settings.load({OLD: 7})


def test_old_names_lead_to_settings_that_exist_and_are_none_themselves():
    assert set(module._RENAMED.values()) <= NAMES
    assert not module._RENAMED.keys() & NAMES
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Settings.load()  # nobody who uses no old name is warned


def test_folders(monkeypatch, tmp_path):
    assert (shipped("models") / "catalog.toml").is_file()
    assert (shipped("grammars") / "DICTIONARY.md").is_file()
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path))
    assert state_home() == tmp_path
    monkeypatch.delenv("T2LOCAL_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_home() == tmp_path / ".cache" / "t2local"


def test_without_a_home_the_variable_that_names_one_is_asked_for(monkeypatch, tmp_path):
    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    monkeypatch.setenv("T2LOCAL_HOME", str(tmp_path))
    assert state_home() == tmp_path
    monkeypatch.delenv("T2LOCAL_HOME")
    with pytest.raises(UsageError, match="no home folder") as caught:
        state_home()
    assert "T2LOCAL_HOME" in caught.value.next_step


def test_the_settings_of_a_manifest_come_back_and_those_of_another_version_are_named():
    settings = Settings.load({"trim.stages": "sanity,cost", "table.min_count": 3})
    groups = settings.model_dump(mode="json")
    assert Settings.of_groups(groups) == settings
    with pytest.raises(UsageError, match=r"trim\.old: no such setting"):
        Settings.of_groups({**groups, "trim": {**groups["trim"], "old": 1}})
