"""What one run costs: tokens per row, time outside llama.cpp, time of the trim stages, peak memory.

    python -m bench.assembly [data.csv] [--rows 200] [--out assembly.json]

Ratios are of one run on one machine; the default table is scikit-learn's iris.
"""

import argparse
import json
import resource
import sys
from pathlib import Path

import pandas as pd

import t2local
from t2local.llm.backbone import Backbone
from t2local.llm.machine import system_info
from t2local.llm.store import find
from t2local.system.environment import environment
from t2local.system.json_text import to_json


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--target")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--conditioning", choices=["row", "parents"], default="row")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    file = find()
    before = _peak()
    model = Backbone(file)
    # As many batches as would do if all were kept: exactly the rows asked for are written and
    # judged.
    settings = {"team.conditioning": options.conditioning, "trim.patience": 1}
    result = t2local.generate(
        options.data or _iris(),
        target=options.target,
        rows=options.rows,
        model=model,
        settings=settings,
    )
    figures = measure(result.report, model, file.path.stat().st_size, before)
    for name, value in figures.items():
        number = f"{value:,.3f}" if isinstance(value, float) else str(value)
        print(f"{name:<36}{number:>14}")
    if options.out:
        machine = {**to_json(environment()), "cpu": system_info()}
        measured = {"figures": figures, "machine": machine, "arguments": vars(options)}
        options.out.write_text(json.dumps(measured, indent=2, default=str) + "\n")


def measure(
    report: dict, model: Backbone, file_bytes: int, before: float
) -> dict[str, float | int]:
    """The figures of one run; ``before``: peak memory before the model was loaded, in MB."""
    seconds, tokens, rows = report["seconds"], report["tokens"], report["rows"]
    file = file_bytes / 1e6
    cache = tokens["context"] * model.kv_bytes_per_token / 1e6
    return {
        "rows generated": rows["generated"],
        "rows kept": rows["kept"],
        "tokens decoded per generated row": tokens["per_generated_row"],
        "tokens sampled per generated row": tokens["sampled"] / rows["generated"],
        "share of assembly outside llama.cpp": 1 - seconds["decode"] / seconds["assembly"],
        "trim / assembly": seconds["trim"] / seconds["assembly"],
        "rows generated per second": rows["generated"] / seconds["assembly"],
        "model file, MB": file,
        "key-value cache, MB": cache,
        "peak memory, MB": _peak(),
        "peak - file - cache, MB": _peak() - file - cache,
        "imports before the model, MB": before,
    }


def _iris() -> pd.DataFrame:
    import sklearn.datasets

    return sklearn.datasets.load_iris(as_frame=True).frame


def _peak() -> float:
    """Peak resident memory of this process, in MB."""
    units_a_megabyte = 1e6 if sys.platform == "darwin" else 1e3
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units_a_megabyte


if __name__ == "__main__":
    main()
