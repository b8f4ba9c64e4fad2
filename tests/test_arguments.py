"""Wrong uses of the functions for Python: each is named in one line, at once, and nothing runs."""

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import t2local
from t2local.errors import ArgumentError, T2LocalError, UsageError
from t2local.llm.scripted import ScriptedModel
from t2local.system.arguments import checked
from tests.patients import patients

FRAME = patients()
TWICE = pd.DataFrame(np.ones((20, 2)), columns=["a", "a"])
LEVELS = pd.DataFrame(np.ones((20, 2)), columns=pd.MultiIndex.from_tuples([("a", 1), ("a", 2)]))
COUNT = "a whole number, 1 or more"
A_FRAME = "a DataFrame"
#: An argument, what is passed, and what its line says.
TYPES = [
    ("rows", "20", COUNT),
    ("rows", 0, COUNT),
    ("rows", -1, COUNT),
    ("rows", 2.5, COUNT),
    ("rows", True, COUNT),
    ("rows", [20], COUNT),
    ("rows", np.float64(20), COUNT),
    ("seed", "a", COUNT),
    ("seed", None, COUNT),
    ("seed", 0, COUNT),
    ("batch_size", 0.5, COUNT),
    ("max_batches", "all", COUNT),
    ("data", FRAME.to_dict(), A_FRAME),
    ("data", FRAME.to_numpy(), A_FRAME),
    ("data", FRAME["age"], A_FRAME),
    ("data", [[1, 2], [3, 4]], A_FRAME),
    ("data", None, A_FRAME),
    ("target", ["outcome"], "the name of a column"),
    ("target", FRAME["outcome"], "the name of a column"),
    ("target", 5, "the name of a column"),
    ("where", "sex=F", 'a list of texts, as ["sex=F", "age>=65"]'),
    ("where", [("sex", "F")], "a list of texts"),
    ("where", {"sex=F"}, "a list of texts"),
    ("balance", 0.5, '"uniform", or a dict of shares that sum to 1'),
    ("balance", [0.3, 0.7], '"uniform", or a dict of shares that sum to 1'),
    ("model", 3, "the name of a model, the path of a GGUF file, or a loaded model"),
    ("model", ScriptedModel, "the name of a model"),
    ("manager_model", ["starter"], "the name of a model"),
    ("dictionary", {"age": "number"}, "a FeatureDictionary, or the path of its file"),
    ("knowledge", {"age": "raises"}, "what a model believes"),
    ("plan", ["age", "sex"], '"manager", "data", a Plan'),
    ("preset", None, '"default" or "paper"'),
    ("settings", "trim.purpose=share", 'a dict, as {"trim.purpose": "share"}'),
    ("settings", ["trim.purpose"], 'a dict, as {"trim.purpose": "share"}'),
    ("out", 3, "the path of a folder"),
    ("replace", "yes", "True or False"),
    ("resume", 1, "True or False"),
    ("progress", None, "True or False"),
    ("on_event", "print", "a function that takes an event"),
]
#: What is passed, and what the line of the argument says.
VALUES = [
    ({"data": "nowhere.csv"}, "There is no file nowhere.csv"),
    ({"data": Path("nowhere.csv")}, "There is no file nowhere.csv"),
    ({"data": Path()}, ". is a folder, not a file"),
    ({"data": pd.DataFrame()}, "the DataFrame has no rows of data; at least 2 are needed"),
    ({"data": FRAME.head(1)}, "the DataFrame has 1 row of data; at least 2 are needed"),
    ({"data": TWICE}, "the DataFrame has columns of the same name"),
    ({"data": LEVELS}, "the DataFrame has columns of 2 names each (a MultiIndex)"),
    ({"target": "outcom"}, "the DataFrame has no column 'outcom'"),
    ({"where": ["sx=F"]}, "no feature 'sx' before one of = >= <= > <; did you mean 'sex'?"),
    ({"where": {"sx": "F"}}, "no feature 'sx' before one of = >= <= > <; did you mean 'sex'?"),
    ({"where": {"age": "old"}}, "what stands after = is no number"),
    ({"where": {"age": None}}, "where age=: a missing value cannot be asked for"),
    ({"where": {"sex": np.nan}}, "where sex=: a missing value cannot be asked for"),
    ({"balance": {"0": 0.3, "1": 0.3}}, "balance: the shares sum to 0.6, not to 1"),
    ({"balance": {"no": 1}}, "balance: 'outcome' has no level 'no'"),
    ({"balance": "1:2"}, "a share is a number from 0 to 1"),
    ({"settings": {"trim.purpos": 1}}, "trim.purpos: no such setting; did you mean trim.purpose?"),
    ({"settings": {3: 1}}, "3: no such setting"),
    ({"settings": {"team.examples": -1}}, "team.examples: Input should be greater than or equal"),
    ({"preset": "papers"}, "There is no preset 'papers'"),
    ({"model": "nobody"}, "'nobody' is neither a model that is known here nor a file"),
    ({"model": Path("no.gguf")}, "'no.gguf' is neither a model that is known here nor a file"),
    ({"dictionary": Path("no.yaml")}, "There is no file no.yaml"),
    ({"plan": "managr"}, "There is no file managr"),
    ({"knowledge": "no.yaml"}, "There is no file no.yaml"),
]


def fault_of(function, *args, **kwargs) -> T2LocalError:
    """The error of a wrong use, which comes at once."""
    start = time.process_time()
    with pytest.raises(T2LocalError) as caught:
        function(*args, **kwargs)
    assert time.process_time() - start < 0.1
    return caught.value


@pytest.fixture(scope="module", autouse=True)
def _imported():
    """What is imported at the first use is not what a check takes."""
    t2local.describe(FRAME)
    fault_of_first = {"target": "outcome", "model": "nobody"}
    with pytest.raises(T2LocalError):
        t2local.generate(FRAME, **fault_of_first)


@pytest.mark.parametrize(("name", "value", "takes"), TYPES)
def test_an_argument_of_another_type_is_named_in_one_line_with_what_it_takes(name, value, takes):
    arguments = {"data": FRAME, "target": "outcome", "model": ScriptedModel(), name: value}
    error = fault_of(t2local.generate, **arguments)
    assert isinstance(error, ArgumentError)
    assert isinstance(error, TypeError)
    assert isinstance(error, ValueError)
    line, next_step = str(error).splitlines()
    assert line.startswith(f"{name} takes {takes}")
    assert next_step == "Next: help(t2local.generate)"


@pytest.mark.parametrize(("arguments", "line"), VALUES)
def test_a_value_that_cannot_be_used_is_named_in_one_line(arguments, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = fault_of(t2local.generate, **{"data": FRAME, "target": "outcome", **arguments})
    assert sum(line in text for text in str(error).splitlines()) == 1
    assert "--" not in str(error)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_a_file_is_refused_as_a_text_and_as_a_path(tmp_path):
    (tmp_path / "out").write_text("")
    for out in (tmp_path / "out", str(tmp_path / "out")):
        error = fault_of(t2local.generate, FRAME, out=out)
        assert error.message == f"{out} is a file, not a folder."
        assert error.next_step == "choose another folder with out"


def test_no_cell_stands_in_an_error():
    error = fault_of(t2local.generate, FRAME.assign(name="Zqvilaax")["name"])
    assert "Zqvilaax" not in str(error)
    error = fault_of(t2local.generate, FRAME, target=FRAME.assign(name="Zqvilaax")["name"])
    assert "Zqvilaax" not in str(error)


@pytest.mark.parametrize(
    ("function", "arguments", "line"),
    [
        ("describe", {"data": [1]}, "data takes a DataFrame"),
        ("describe", {"data": FRAME, "codebook": {}}, "codebook takes the path of a file"),
        ("plan", {"data": FRAME, "source": "model"}, 'source takes "manager" or "data"'),
        ("trim", {"real": "real.csv", "synthetic": FRAME}, "real takes a DataFrame"),
        ("trim", {"real": FRAME, "synthetic": FRAME, "batch_size": 0}, f"batch_size takes {COUNT}"),
        ("evaluate", {"real": FRAME, "synthetic": None}, "synthetic takes a DataFrame"),
        ("evaluate", {"real": FRAME, "synthetic": FRAME, "seed": -1}, f"seed takes {COUNT}"),
        ("generate", {"data": FRAME, "taget": "y"}, "no argument 'taget'; did you mean target?"),
        ("generate", {"data": FRAME, "n": 5}, "generate() has no argument 'n'"),
    ],
)
def test_the_other_functions_check_their_arguments_too(function, arguments, line):
    assert line in fault_of(getattr(t2local, function), **arguments).message


def test_an_argument_that_is_lacking_is_pythons_own_error():
    with pytest.raises(TypeError, match="data"):
        t2local.generate()


@pytest.mark.parametrize("as_path", [str, Path])
def test_a_path_is_a_text_or_a_path(as_path, tmp_path):
    FRAME.to_csv(tmp_path / "data.csv", index=False)
    data = as_path(tmp_path / "data.csv")
    dictionary = t2local.describe(data, target="outcome")
    (tmp_path / "dictionary.yaml").write_text(dictionary.to_yaml())
    made = t2local.plan(data, dictionary=as_path(tmp_path / "dictionary.yaml"), source="data")
    (tmp_path / "plan.yaml").write_text(made.plan.to_yaml())
    error = fault_of(
        t2local.generate,
        data,
        dictionary=as_path(tmp_path / "dictionary.yaml"),
        plan=as_path(tmp_path / "plan.yaml"),
        model=as_path(tmp_path / "nothing.gguf"),
        out=as_path(tmp_path / "out"),
    )
    assert "nothing.gguf' is neither a model" in error.message


def test_arguments_that_are_missing_or_given_twice_are_said():
    with pytest.raises(ArgumentError, match=r"^generate\(\): missing a required argument: 'data'"):
        t2local.generate()
    with pytest.raises(ArgumentError, match=r"^generate\(\): multiple values for argument 'data'"):
        t2local.generate("a.csv", data="b.csv")
    with pytest.raises(ArgumentError, match=r"^generate\(\): too many positional arguments"):
        t2local.generate("a.csv", "y")


def test_an_error_has_arguments_in_place_of_options():
    @checked
    def generate():
        raise UsageError(
            "Both --where and --balance.",
            faults=["--min-count: no; a--b", "--set trim.kappa=0.3.", "--set team.labels=worker,"],
            next_step="--set team.examples=5, --keep all, or --target none; --max-batches 3",
        )

    error = fault_of(generate)
    assert error.message == "Both where and balance."
    assert error.faults == (
        'settings={"table.min_count": ...}: no; a--b',
        'settings={"trim.kappa": 0.3}.',
        'settings={"team.labels": "worker"},',
    )
    assert error.next_step == (
        'settings={"team.examples": 5}, settings={"trim.keep": "all"}, or target="none"; '
        "max_batches=3"
    )


@pytest.mark.parametrize(
    ("in_a_terminal", "in_python"),
    [
        ("pass one with --sheet", 'pass one with settings={"table.sheet": ...}'),
        ("try --no-header.", 'try settings={"table.first_line": "data"}.'),
        ("take the plan from the data: --plan data", 'take the plan from the data: plan="data"'),
        ("'python -m t2local describe' writes one", "t2local.describe(data) writes one"),
        ("see it ('t2local describe')", "see it (t2local.describe(data))"),
        (
            "mend it; 'python -m t2local plan data.csv -o plan.yaml' writes a correct one",
            "mend it; t2local.plan(data) writes a correct one",
        ),
        (
            "--set team.conditioning=row, or another: python -m t2local models list",
            'settings={"team.conditioning": "row"}, or another: python -m t2local models list',
        ),
        # The options of a command that Python has no function for are its own.
        *[("python -m t2local models add 'x.gguf' --chat NAME, or --chat plain",) * 2],
    ],
)
def test_an_error_has_functions_in_place_of_commands(in_a_terminal, in_python):
    @checked
    def generate():
        raise UsageError("No.", next_step=in_a_terminal)

    assert fault_of(generate).next_step == in_python


def test_the_functions_have_the_help_of_functions():
    import pydoc

    for name in ("trim", "evaluate", "generate"):
        function = getattr(t2local, name)
        assert pydoc.render_doc(function).startswith("Python Library Documentation: function")
        assert f"{name}(" in pydoc.plain(pydoc.render_doc(function))
