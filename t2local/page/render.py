"""What the page shows, in its order; the templates say how."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from t2local.page.figures import Figures, at, breakable
from t2local.page.words import WORDS
from t2local.system.json_text import JsonObject

#: The models whose predictions are compared, as people say it, in the order of the page.
_MODELS = {
    "linear_real": "linear model, real rows alone",
    "linear_kept": "linear model, kept rows alone",
    "linear_real_and_kept": "linear model, real and kept rows",
    "linear_real_oversampled": "linear model, real rows by oversampling",
    "ensemble_real": "ensemble, real rows alone",
    "ensemble_real_and_kept": "ensemble, real and kept rows",
}
#: What the stages ask, as people say it.
_STAGES = {
    "sanity": "do the values and rules hold, and is it no copy?",
    "cost": "does the label follow from the other values?",
    "diversity": "are the rows different enough?",
    "choice": "is it needed, or are others clearer or more like the table?",
}
#: Decisions that are about the machine and not about the rows.
_OF_THE_MACHINE = frozenset(
    {
        "GPU layers", "chat format", "chat marks", "flash attention", "memory", "output layer",
        "rows side by side", "threads", "tokens a pass", "weight repacking",
    }
)  # fmt: skip
#: The decision that a column is not generated.
_LEFT_OUT = "left out"
#: The sections in their order: the place of each on the page, and its name in the list of them.
_SECTIONS = {
    "verdict": ("verdict", "May I use them?"),
    "classes": ("classes", "Classes"),
    "columns": ("columns", "Columns"),
    "pairs": ("pairs", "Pairs"),
    "rules": ("rules", "Rules"),
    "usefulness": ("usefulness", "Usefulness"),
    "privacy": ("privacy", "Privacy"),
    "measures": ("measures", "Measures"),
    "story": ("rows", "Story"),
    "team": ("team", "Team"),
    "decisions": ("decisions", "Decisions"),
    "machine": ("machine", "Details"),
    "glossary": ("words", "Words"),
}
#: What a report or a manifest must have for a section; the others are always there.
_NEEDS = {
    "measures": "figures",
    "rules": "rules",
    "usefulness": "benefit",
    "story": "reasons",
    "team": "plan",
    "decisions": "decisions",
    "machine": "packages",
}
#: Rules on the page: those that rows broke first, then those of the most rows.
_MOST_RULES = 30
#: Steps of shade in a map of associations.
_SHADES = 10


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("t2local.page", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    environment.globals["at"] = at
    environment.filters["breakable"] = breakable
    environment.globals["words"] = WORDS
    return environment


def page(report: JsonObject, manifest: JsonObject) -> str:
    """The whole page: the contents of report.json and manifest.json as HTML.

    Of rows that came from elsewhere (``trim``, ``evaluate``) the manifest has ``input`` alone, and
    what the report does not have is not there.
    """
    return _render("page.html.j2", report, manifest)


def summary(report: JsonObject, manifest: JsonObject) -> str:
    """The first three sections alone, for a notebook."""
    return _render("summary.html.j2", report, manifest)


def _render(template: str, report: JsonObject, manifest: JsonObject) -> str:
    has = {*report, *manifest}
    facts = {
        "report": report,
        "manifest": manifest,
        "figures": Figures(report),
        "of_the_machine": _OF_THE_MACHINE,
        "every_decision": _decisions(manifest),
        "left_out": [one for one in manifest.get("decisions", []) if one["what"] == _LEFT_OUT],
        "sections": {n: own for n, own in _SECTIONS.items() if _NEEDS.get(n, "answers") in has},
        **_asked(report),
        **_columns(report),
        "privacy_light": _privacy_light(report.get("privacy")),
        "models": _models(report.get("benefit")),
        "every_measure": [{**own, "place": n} for n, own in enumerate(report.get("figures", []))],
        "every_rule": _rules(report.get("rules", {"every": []})["every"]),
        "stages": list(_stages(report)),
        "components": _components(report["plan"]["components"]) if "plan" in report else [],
        "shades": _shades(report["association_maps"]),
    }
    return _environment().get_template(template).render(facts)


def _asked(report: JsonObject) -> JsonObject:
    """The target, the columns of which values were asked for, and whether shares of classes were.

    Where shares were, the target is the first of the given columns.
    """
    distances = (report["shifts"] or {}).get("distances", [])
    targets = [one["column"] for one in distances if one["kind"] == "class_shares"]
    given = report.get("given", {"features": [], "rows_by_label": {}})
    balanced = bool(given["rows_by_label"])
    return {
        "target": next(iter(targets), "the target"),
        "balanced": balanced,
        "conditions": given["features"][int(balanced) :],
    }


def _privacy_light(privacy: JsonObject | None) -> str:
    """Go is said only where a test that could have found a leak found none."""
    if not privacy:
        return ""
    if privacy["finding"] == "leak":
        return "stop"
    test = privacy["membership"] or privacy["near_copies"]
    is_blind = test["smallest_leak"] is None
    return "care" if is_blind or privacy["finding"] == "copies" else "go"


def _decisions(manifest: JsonObject) -> list[JsonObject]:
    """What was decided; columns of which the same was decided stand together."""
    names: dict[tuple[str, str], list[str]] = {}
    for one in manifest.get("decisions", []):
        names.setdefault((one["value"], one["reason"]), []).append(one["what"])
    return [
        {"what": ", ".join(dict.fromkeys(whats)), "value": value, "reason": reason}
        for (value, reason), whats in names.items()
    ]


def _columns(report: JsonObject) -> JsonObject:
    """The columns with their places in the report, and those of which nothing can be shown.

    Those that chance does not explain come first.
    """
    findings = (report["shifts"] or {}).get("findings", [])
    sentences: dict[str, list[str]] = {}
    for finding in findings:
        if finding["kind"] != "association":
            for column in finding["columns"]:
                sentences.setdefault(column, []).append(finding["sentence"])
    columns = [
        {"place": place, "sentences": sentences.get(marginal["column"], []), **marginal}
        for place, marginal in enumerate(report["marginals"])
    ]
    columns.sort(key=lambda column: not column["sentences"])
    shown = [one for one in columns if one["parts"] or one["missing"] or one["sentences"]]
    return {
        "shown_columns": shown,
        "hidden_columns": [one for one in columns if one not in shown],
    }


def _models(benefit: JsonObject | None) -> JsonObject:
    """The models that are compared, in their order, and the ends of the scale of differences."""
    if not benefit:
        return {"rows": [], "low": 0.0, "high": 0.0}
    differences = benefit["against_real"]
    rows = [(name, words) for name, words in _MODELS.items() if name in differences]
    # A class of one row has no interval.
    ends = [differences[name][end] for name, _ in rows for end in ("low", "mean", "high")]
    numbers = [0.0, *(end for end in ends if end is not None)]
    return {"rows": rows, "low": min(numbers), "high": max(numbers)}


def _rules(rules: Sequence[JsonObject]) -> list[JsonObject]:
    """The rules that are shown, each with its place in the report."""
    places = [{**rule, "place": place} for place, rule in enumerate(rules)]
    return sorted(places, key=lambda rule: (-rule["written"], -(rule["support"] or 0)))[
        :_MOST_RULES
    ]


def _stages(report: JsonObject) -> Iterator[JsonObject]:
    """The rows before and after each stage that rejected some."""
    written = max(1, report["rows"].get("generated", 0))
    for place, effect in enumerate(report.get("stage_effects", [])):
        kept = effect["rows_after"] / written
        gone = (effect["rows_before"] - effect["rows_after"]) / written
        words = _STAGES.get(effect["stage"], "")
        yield {"place": place, **effect, "words": words, "kept": kept, "gone": gone}


def _components(components: Sequence[JsonObject]) -> list[list[JsonObject]]:
    """The components of a plan by generation, each with its number and those of its parents."""
    depth: dict[str, int] = {}
    left = list(components)
    while left:  # a plan has no cycle, so each turn places one or more
        ready = [part for part in left if all(parent in depth for parent in part["parents"])]
        for part in ready:
            depth[part["role"]] = 1 + max((depth[p] for p in part["parents"]), default=-1)
        left = [part for part in left if part not in ready]
    ordered = sorted(components, key=lambda part: depth[part["role"]])
    numbers = {part["role"]: number for number, part in enumerate(ordered, 1)}
    generations: list[list[JsonObject]] = [[] for _ in range(max(depth.values()) + 1)]
    for part in ordered:
        parents = sorted(numbers[parent] for parent in part["parents"])
        own = {**part, "number": numbers[part["role"]], "sees": parents}
        generations[depth[part["role"]]].append(own)
    return generations


def _shades(maps: JsonObject | None) -> list[Any]:
    """One path of squares for each shade: real pairs below the diagonal, kept ones above it."""
    if maps is None:
        return []
    paths: list[list[str]] = [[] for _ in range(_SHADES + 1)]
    for row, (real, kept) in enumerate(zip(maps["real"], maps["kept"], strict=True), 1):
        for column, (below, above) in enumerate(zip(real, kept, strict=True)):
            paths[round(_SHADES * below)].append(f"M{column} {row}h1v1h-1z")
            paths[round(_SHADES * above)].append(f"M{row} {column}h1v1h-1z")
    return [(shade / _SHADES, "".join(path)) for shade, path in enumerate(paths) if path]
