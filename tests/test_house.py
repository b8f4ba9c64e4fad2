"""The house rules of the code: small functions, narrow lines, plain names.

Each is a number that a reader profits from and that a change can undo unseen. They are measured in
the sources, so they hold only where the sources stand beside the tests.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "t2local"

if not PACKAGE.is_dir():
    pytest.skip("t2local/ is not beside the tests", allow_module_level=True)

MAX_COLUMNS = 100
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_METHODS = 15
MAX_README_LINES = 150
#: Per 1,000 lines: one branch too many in an expression costs more than the line that it saves.
MAX_CONDITIONAL_EXPRESSIONS = 20
#: The JSON edge has an alias (`t2local.system.json_text.JsonObject`); inside are dataclasses.
MAX_LINES_OF_PLAIN_DICTS = 10
MIN_TEST_LINES_A_CODE_LINE = 0.7
#: Participles that had up to seven meanings each: a name is the noun of what it holds.
PARTICIPLES = {"asked", "found", "known", "said", "told"}
#: The only modules that make random generators; all others name a stream of theirs.
GENERATOR_MAKERS = {"t2local/stats/streams.py", "bench/streams.py"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources(folder: str) -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def place(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(text(path))


def nodes(kind) -> Iterator[tuple[Path, ast.AST]]:
    """Each node of a kind in the package, with its file."""
    for path in sources("t2local"):
        for node in ast.walk(tree(path)):
            if isinstance(node, kind):
                yield path, node


def listed(offenders) -> str:
    return "\n" + "\n".join(map(str, offenders))


def test_no_line_is_wider_than_100_columns():
    wide = [
        f"{place(path, number)}: {len(line)} columns"
        for folder in ("t2local", "tests", "bench", "models", "docs")
        for path in sources(folder)
        for number, line in enumerate(text(path).splitlines(), 1)
        if len(line) > MAX_COLUMNS
    ]
    assert not wide, listed(wide)


def test_no_module_is_longer_than_400_lines():
    lengths = {path: len(text(path).splitlines()) for path in sources("t2local")}
    long = [f"{path.relative_to(ROOT)}: {n}" for path, n in lengths.items() if n > MAX_MODULE_LINES]
    assert not long, listed(long)


def test_no_function_is_longer_than_40_lines():
    lengths = [
        (node.end_lineno - node.lineno + 1, place(path, node.lineno), node.name)
        for path, node in nodes(Function)
    ]
    long = sorted((entry for entry in lengths if entry[0] > MAX_FUNCTION_LINES), reverse=True)
    assert not long, listed(long)


def test_no_class_has_more_than_15_methods():
    counts = [
        (sum(isinstance(part, Function) for part in node.body), place(path, node.lineno), node.name)
        for path, node in nodes(ast.ClassDef)
    ]
    large = [entry for entry in counts if entry[0] > MAX_METHODS]
    assert not large, listed(large)


def test_conditional_expressions_are_rare_and_never_nested():
    expressions = list(nodes(ast.IfExp))
    n_lines = sum(len(text(path).splitlines()) for path in sources("t2local"))
    nested = [
        place(path, node.lineno)
        for path, node in expressions
        if sum(isinstance(part, ast.IfExp) for part in ast.walk(node)) > 1
    ]
    assert not nested, listed(nested)
    assert 1000 * len(expressions) / n_lines < MAX_CONDITIONAL_EXPRESSIONS


def test_plain_dictionaries_of_anything_stay_at_the_json_edge():
    lines = [
        place(path, number)
        for path in sources("t2local")
        for number, line in enumerate(text(path).splitlines(), 1)
        if "dict[str, Any]" in line
    ]
    assert len(lines) <= MAX_LINES_OF_PLAIN_DICTS, listed(lines)


def test_there_is_no_drawer_for_all_that_has_no_place():
    drawers = [
        str(path.relative_to(ROOT)) for path in sources("t2local") if path.stem in {"utils", "util"}
    ]
    assert not drawers, listed(drawers)


def public_definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | Function]:
    """Functions and classes that others can name, and the methods of those classes."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef) and not is_protocol(node):
                yield from public_definitions(node.body)


def is_protocol(node: ast.ClassDef) -> bool:
    """A protocol says in its own docstring what its members are."""
    return "Protocol" in {base.id for base in node.bases if isinstance(base, ast.Name)}


def test_every_public_class_and_function_has_a_docstring():
    bare = [
        f"{place(path, node.lineno)} {node.name}"
        for path in sources("t2local")
        for node in public_definitions(tree(path).body)
        if not ast.get_docstring(node)
    ]
    assert not bare, listed(bare)


def stored_names(node: ast.AST) -> list[str]:
    """The names that a node gives to a value: variables, parameters, attributes."""
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return [node.attr]
    return []


def test_no_variable_or_parameter_is_named_by_a_participle_of_many_meanings():
    vague = [
        f"{place(path, node.lineno)} {name}"
        for path, node in nodes((ast.arg, ast.Name, ast.Attribute))
        for name in stored_names(node)
        if name.strip("_") in PARTICIPLES
    ]
    assert not vague, listed(vague)


def code_names(path: Path) -> set[str]:
    """The names in a file, its comments and strings left out."""
    tokens = tokenize.generate_tokens(io.StringIO(text(path)).readline)
    return {token.string for token in tokens if token.type == tokenize.NAME}


def test_one_module_makes_the_random_generators():
    makers = {
        path.relative_to(ROOT).as_posix()
        for folder in ("t2local", "bench")
        for path in sources(folder)
        if code_names(path) & {"default_rng", "SeedSequence", "RandomState"}
    }
    assert makers <= GENERATOR_MAKERS, listed(makers - GENERATOR_MAKERS)


def test_nothing_runs_text_as_code_or_in_a_shell():
    """Of frames too: ``DataFrame.eval`` and ``query`` run what stands in a column's name."""
    calls = [
        f"{place(path, node.lineno)} {ast.unparse(node)}"
        for path, node in nodes(ast.Call)
        if ast.unparse(node.func) in {"eval", "exec", "os.system", "os.popen"}
        or ast.unparse(node.func).endswith((".eval", ".query"))
        or "shell" in {keyword.arg for keyword in node.keywords}
    ]
    assert not calls, listed(calls)


def test_the_readme_is_short_enough_to_be_read():
    readme = ROOT / "README.md"
    assert len(text(readme).splitlines()) <= MAX_README_LINES


def test_tests_are_at_least_seven_tenths_of_the_code():
    n_test_lines = sum(len(text(path).splitlines()) for path in sources("tests"))
    n_code_lines = sum(len(text(path).splitlines()) for path in sources("t2local"))
    assert n_test_lines / n_code_lines >= MIN_TEST_LINES_A_CODE_LINE
