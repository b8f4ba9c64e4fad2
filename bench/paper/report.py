"""RESULTS.md: the text of RESULTS.in.md, where ``{{table files: settings}}`` is a table of results.

``{{aucs sizes: COMPAS}}`` is `table.aucs` of results/sizes.jsonl, its settings that match COMPAS (a
regular expression). Files may be several and have ``*`` in them; those in ablations/ are of the
seeds 0 to 9, which decide the defaults, all others of 100 to 109.
"""

import json
import re
from pathlib import Path

from bench.paper import table

FOLDER = Path(__file__).parent
SOURCE, TARGET, RESULTS = FOLDER / "RESULTS.in.md", FOLDER / "RESULTS.md", FOLDER / "results"
TABLES = (
    table.aucs,
    table.changes,
    table.standing,
    table.stages,
    table.fidelity,
    table.costs,
    table.models,
    table.failures,
)
_BY_NAME = {function.__name__: function for function in TABLES}


def page() -> str:
    """The text of RESULTS.md."""
    text = SOURCE.read_text(encoding="utf-8").replace("{{parts}}", parts())
    return re.sub(
        r"\{\{(\w+) ([^}:]+)(?:: ([^}]+))?\}\}",
        lambda mark: results_table(mark[1], mark[2].split(), mark[3] or ""),
        text,
    )


def results_table(name: str, patterns: list[str], settings: str) -> str:
    """One table of the results whose files and settings match."""
    files = [path for pattern in patterns for path in sorted(RESULTS.glob(f"{pattern}.jsonl"))]
    results = table.frame(files, range(10) if "ablations" in patterns[0] else range(100, 110))
    matching = results[results["setting"].str.contains(settings)].dropna(axis=1, how="all")
    return _BY_NAME[name](matching) or "None."


def parts() -> str:
    """Where tokens and seconds of one run went."""
    lines = [
        [part["part"], _count(part["in"]), _count(part["out"]), str(part["seconds"])]
        for part in json.loads((RESULTS / "cost.json").read_text(encoding="utf-8"))["parts"]
    ]
    return table.markdown_table(["part", "tokens in", "tokens out", "seconds"], lines)


def _count(n_tokens: int | None) -> str:
    return "not counted" if n_tokens is None else f"{n_tokens:,}"
