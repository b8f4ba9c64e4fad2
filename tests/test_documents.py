"""The README and the pages of docs/: their examples run, and what they name is there."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import t2local
from t2local.cli import main
from t2local.llm import store
from t2local.llm.catalog import entries
from t2local.llm.manifest import record
from t2local.settings import NAMES
from t2local.stats.encoding import Encoder
from t2local.tables.dictionary_file import read_dictionary
from tests.tiny import tiny

ROOT = Path(__file__).parents[1]
README, DOCS = ROOT / "README.md", ROOT / "docs"
if not DOCS.is_dir():
    pytest.skip("the documents are not beside an installed package", allow_module_level=True)

# Whether the examples run is asked here, not what their figures are.
pytestmark = pytest.mark.usefixtures("fewest_fits")

PAGES = [README, *sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)]
_BLOCK = re.compile(r"(?m)^(?P<above>.*)\n```(?P<language>\w+)\n(?P<text>(?s:.*?))^```$")
_NOT_RUN = re.compile(r"<!-- not run here: .{5,} -->")
#: A model with random weights may write rows of which none passes.
_NOTHING_KEPT = 5


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str
    not_run: bool  # a comment right above it says why it cannot run here


def blocks(page: Path) -> list[Block]:
    text = "\n" + page.read_text(encoding="utf-8")
    return [
        Block(page, match["language"], match["text"], bool(_NOT_RUN.fullmatch(match["above"])))
        for match in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[list[str]]:
    """The commands of a block of sh, in words; ``&&`` parts two of them."""
    lines = block.text.replace("\\\n", " ").splitlines()
    words = [shlex.split(part, comments=True) for line in lines for part in line.split("&&")]
    return [command for command in words if command]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the name of the default model is that of a tiny one."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("T2LOCAL_HOME", str(folder))
        # No command gives a name of the catalogue to another file.
        record(store.add(tiny(folder / "a.gguf")).model_copy(update={"name": "starter"}))
        assert store.find("starter").sha256 != entries()["starter"].sha256
    return folder


@pytest.fixture
def workplace(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that the pages speak of, and the working directory of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("T2LOCAL_HOME", str(home))
    tiny(tmp_path / "model.gguf", seed=2)
    for file, seed in (("data.csv", 1), ("real.csv", 1), ("synthetic.csv", 2), ("test.csv", 3)):
        patients(seed).to_csv(tmp_path / file, index=False)
    CliRunner().invoke(main, ["describe", "data.csv", "-o", "dictionary.yaml"])
    (tmp_path / "codebook.csv").write_text(
        "Variable / Field Name,Form Name,Field Type,Field Label,"
        '"Choices, Calculations, OR Slider Labels",Text Validation Type OR Show Slider Number\n'
        "age,visit,text,Age at admission,,integer\n"
    )
    return tmp_path


def patients(seed: int) -> pd.DataFrame:
    """24 rows, so that a run takes a second."""
    rng = np.random.default_rng(seed)
    age = rng.integers(60, 90, 24)
    risk = age + rng.normal(0, 4, 24)
    return pd.DataFrame(
        {
            "age": age,
            "sex": rng.choice(["F", "M"], 24),
            "weight": np.round(rng.normal(70, 12, 24), 1),
            "outcome": np.where(risk > np.median(risk), "yes", "no"),
        }
    )


def test_there_are_pages_and_examples_to_check():
    all_blocks = [block for page in PAGES for block in blocks(page)]
    runnable = [block for block in all_blocks if block.language == "sh" and not block.not_run]
    assert sum(len(commands(block)) for block in runnable) >= 20
    assert {block.language for block in all_blocks} >= {"sh", "python", "yaml"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_command_of_a_page_runs_or_says_why_not(
    page: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
):
    # Labels that the random model gives are refused, and a run without kept rows ends sooner; the
    # Python examples run with the settings that they have by default.
    monkeypatch.setenv("T2LOCAL_TEAM_LABELS", "worker")
    monkeypatch.setenv("T2LOCAL_TRIM_PATIENCE", "1")
    runnable = [b for b in blocks(page) if b.language == "sh" and not b.not_run]
    for command in (command for block in runnable for command in commands(block)):
        run(command)
        shorten(workplace)


def run(command: list[str]) -> None:
    """Run one command in this process; only commands of t2local are."""
    program, *arguments = command
    assert program.endswith("python"), f"mark it as not run here: {command}"
    assert arguments[:2] == ["-m", "t2local"], f"mark it as not run here: {command}"
    done = CliRunner().invoke(main, arguments[2:])
    may_keep_nothing = arguments[2] in ("generate", "trim")
    expected = {0, _NOTHING_KEPT} if may_keep_nothing else {0}
    assert done.exit_code in expected, f"{command}\n{done.output}"


def shorten(folder: Path) -> None:
    """What the next command reads: a corner of a sample, and rows where none were kept."""
    sample, written = folder / "diabetes.csv", folder / "data.t2local" / "synthetic.csv"
    if sample.is_file():
        corner = pd.read_csv(sample, dtype=str).iloc[:24, [0, 1, 2, -1]]
        corner.to_csv(sample, index=False)
    if written.is_file() and len(written.read_text().splitlines()) <= 10:
        patients(2).to_csv(written, index=False)


@pytest.mark.parametrize(
    "page", [p for p in PAGES if any(b.language == "python" for b in blocks(p))], ids=name
)
def test_every_python_example_of_a_page_runs(page: Path, workplace: Path):
    variables: dict[str, object] = {}
    for block in blocks(page):
        if block.language == "python" and not block.not_run:
            exec(compile(block.text, str(page), "exec"), variables)


def yaml_blocks(key: str) -> list[Block]:
    """The examples of YAML that have a key."""
    examples = [b for page in PAGES for b in blocks(page) if b.language == "yaml"]
    return [block for block in examples if key in yaml.safe_load(block.text)]


@pytest.mark.parametrize("block", yaml_blocks("fields"))
def test_every_dictionary_in_a_yaml_example_is_one_and_uses_what_it_shows(block: Block):
    dictionary = read_dictionary(block.text, name(block.page))
    real = pd.DataFrame({feature.name: [] for feature in dictionary.features})
    assert Encoder(dictionary.input_features, real).effects is not None


@pytest.mark.parametrize("block", yaml_blocks("rules"))
def test_every_rule_in_a_yaml_example_is_one(block: Block, tmp_path: Path):
    rules = yaml.safe_load(block.text)["rules"]
    names = {
        pair for rule in rules for pair in re.findall(r"`(.+?)`|\b([a-z_]{3,})\b", rule["rule"])
    }
    columns = sorted({quoted or plain for quoted, plain in names} - {"and", "not", "isna"})
    table = pd.DataFrame({column: [*range(20, 40)] * 2 for column in columns})
    table = table.assign(sex=["M", "F"] * 20, pregnant=[0, 1] * 20)
    described = yaml.safe_load(t2local.describe(table, target="sex").to_yaml())
    text = yaml.safe_dump({**described, "rules": rules})
    (tmp_path / "dictionary.yaml").write_text(text)
    t2local.plan(table, dictionary=tmp_path / "dictionary.yaml", source="data")
    (tmp_path / "broken.yaml").write_text(text.replace(">=", ">>"))
    with pytest.raises(t2local.T2LocalError):
        t2local.plan(table, dictionary=tmp_path / "broken.yaml", source="data")


def test_a_block_that_is_not_run_says_why_and_no_page_skips_one_without_it():
    for page in PAGES:
        marks = len(_NOT_RUN.findall(page.read_text(encoding="utf-8")))
        assert marks == sum(block.not_run for block in blocks(page)), name(page)


def test_the_readme_is_short_and_has_the_marks_that_ci_reads():
    text = README.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    for mark in ("set-up", "run", "test"):
        part = text.split(f"<!-- {mark} -->")[1].split("<!-- end -->")[0]
        assert part.count("```") == 2


def test_the_glossary_has_40_terms_at_most_each_with_a_meaning_and_a_source():
    lines = (DOCS / "glossary.md").read_text(encoding="utf-8").splitlines()
    rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in lines
        if line.startswith("| ")
    ]
    terms = [row[0] for row in rows[1:]]
    assert 20 <= len(terms) <= 40
    assert len(set(terms)) == len(terms)
    assert all(len(row) == 3 and all(row) for row in rows)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_no_relative_link_points_nowhere(page: Path):
    text = re.sub(r"(?ms)^```.*?^```", "", page.read_text(encoding="utf-8"))
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#([^)\s]+))?\)", text)
    for target, section in targets:
        path = page.parent / target
        assert path.exists(), f"{name(page)}: {target}"
        if section and path.suffix == ".md":
            assert section in anchors(path), f"{name(page)}: {target}#{section}"


def anchors(page: Path) -> set[str]:
    """The sections of a page as GitHub and MyST call them."""
    titles = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_the_method_has_the_sections_that_the_code_cites():
    assert sections(DOCS / "method.md") == [
        "Notation",
        "Team",
        "Plan",
        "Labels",
        "Effects",
        "Beliefs",
        "Cells",
        "Examples",
        "Conditions",
        "Sanity",
        "Cost",
        "Information gain",
        "Diversity",
        "Choice",
        "Loop",
        "Evaluation",
        "Benefit",
        "Shifts",
        "Decoder",
        "Open points",
    ]


def test_every_page_and_section_that_the_code_cites_is_there():
    sources = [p for folder in ("t2local", "bench") for p in sorted((ROOT / folder).rglob("*.py"))]
    cited = [(source, *citation) for source in sources for citation in citations(source)]
    faults = [
        f"{name(source)}: {page}, {after!r}"
        for source, page, after in cited
        if not (ROOT / page).is_file()
        or (page == "docs/method.md" and not after.startswith(tuple(sections(ROOT / page))))
    ]
    assert not faults, "\n".join(faults)


def citations(source: Path) -> list[tuple[str, str]]:
    """The pages that a file cites, each with the words after it, where a section is named."""
    text = re.sub(r"\s+(?:#:?\s+)?", " ", source.read_text(encoding="utf-8"))
    text = text.replace("ggml's docs/gguf.md", "")
    return re.findall(r"(docs/[\w/-]+\.md)\W*(?:sections?\W+)?(.{0,40})", text)


def sections(page: Path) -> list[str]:
    return re.findall(r"(?m)^## (.+)$", page.read_text(encoding="utf-8"))


def test_the_pages_set_only_settings_that_exist():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    names = set(re.findall(r"--set ([a-z_.]+)=", text)) | set(
        re.findall(r"`((?:table|team|decoder|trim)\.[a-z_]+)(?:=\w+)?`", text)
    )
    assert len(names) > 10
    assert names <= NAMES


def test_the_pages_name_only_files_that_exist():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    rooms = "airgap|cli|evaluate|llm|run|stats|system|tables|team|trim"
    paths = set(
        re.findall(rf"`((?:(?:t2local|tests|bench|models|grammars|{rooms})/)+\w+\.\w+)`", text)
    )
    places = (ROOT, ROOT / "t2local")
    missing = {path for path in paths if not any((place / path).is_file() for place in places)}
    assert not missing


def test_the_python_reference_has_all_public_names():
    assert ".. public-api::" in (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    assert all(getattr(t2local, public).__doc__ for public in t2local.__all__)
