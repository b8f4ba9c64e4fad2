"""RESULTS.md: the text of RESULTS.in.md, in which ``{{table files: settings}}`` stands for a table of results.

``{{aucs sizes: COMPAS}}`` is `table.aucs` of results/sizes.jsonl, its settings that match COMPAS (a regular expression). Files may be
several and have ``*`` in them; those in ablations/ are of the seeds 0 to 9, which decide the defaults, all others of 100 to 109.
"""

import json
import re
from pathlib import Path

from bench.paper import table

FOLDER = Path(__file__).parent
SOURCE, TARGET, RESULTS = FOLDER / "RESULTS.in.md", FOLDER / "RESULTS.md", FOLDER / "results"
TABLES = {
    made.__name__: made
    for made in (
        table.aucs,
        table.changes,
        table.standing,
        table.stages,
        table.fidelity,
        table.costs,
        table.models,
        table.failures,
    )
}


def written() -> str:
    """The text of RESULTS.md."""
    text = SOURCE.read_text(encoding="utf-8").replace("{{parts}}", parts())
    return re.sub(
        r"\{\{(\w+) ([^}:]+)(?:: ([^}]+))?\}\}",
        lambda found: made(found[1], found[2].split(), found[3] or ""),
        text,
    )


def made(name: str, patterns: list[str], settings: str) -> str:
    """One table of the results whose files and settings match."""
    files = [path for pattern in patterns for path in sorted(RESULTS.glob(f"{pattern}.jsonl"))]
    results = table.frame(files, range(10) if "ablations" in patterns[0] else range(100, 110))
    return (
        TABLES[name](results[results["setting"].str.contains(settings)].dropna(axis=1, how="all"))
        or "None."
    )


def parts() -> str:
    """Where tokens and seconds of one run went."""
    lines = json.loads((RESULTS / "cost.json").read_text(encoding="utf-8"))["parts"]
    counted = [
        ["not counted" if line[way] is None else f"{line[way]:,}" for way in ("in", "out")]
        for line in lines
    ]
    shown = [
        [line["part"], *tokens, str(line["seconds"])]
        for line, tokens in zip(lines, counted, strict=True)
    ]
    return table.markdown_table(["part", "tokens in", "tokens out", "seconds"], shown)
