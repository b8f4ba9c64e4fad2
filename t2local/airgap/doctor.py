"""What a person needs to know when t2local does not run as it should."""

import time
from typing import Any

from t2local.errors import ModelError
from t2local.llm.decoder import Decoder
from t2local.llm.grammar import Grammar
from t2local.llm.requests import Request, Segment
from t2local.llm.sampling import RowStream
from t2local.stats.streams import Stream
from t2local.system.environment import environment


def examine(wanted: str | None) -> dict[str, Any]:
    """Versions, CPU, devices, known problems, model store, model and a two-token decode, by name. **Raises** `ModelError` when the model cannot be used."""
    from t2local.llm.manifest import folder, manifests
    from t2local.llm.store import find

    file = find(wanted)
    from t2local.llm.backbone import Backbone
    from t2local.llm.machine import devices, problems, system_info, threads

    facts = environment()
    findings: dict[str, Any] = {
        "python": f"{facts['python']} on {facts['system']}",
        "packages": [f"{name} {version}" for name, version in facts["packages"].items()],
        "cpu": system_info(),
        "threads": "{0.value} ({0.reason})".format(threads(0)),
        "model store": [
            str(folder()),
            *(f"{name}: {manifest.bytes / 1e6:,.0f} MB" for name, manifest in manifests().items()),
        ],
        "devices": [
            f"{d.name} ({d.kind}): {d.description}, {d.total_bytes / 2**30:.1f} GiB"
            for d in devices()
        ],
        "gpu": "offload is written for Metal and CUDA, and was never run by its developers",
        "known problems": problems() or ["none found"],
    }
    model = Backbone(file)
    findings["model"] = [
        f"{file.name}: {file.path}",
        f"sha256 {file.sha256}, as expected"
        if file.chat
        else f"sha256 {file.sha256}, not in the catalogue",
        file.licence,
    ]
    findings |= {choice.what: f"{choice.value} ({choice.reason})" for choice in model.decisions()}
    findings["decode"] = _decode(model)
    return findings


def _decode(model: Any) -> str:
    """Write one row of two tokens, through the same path as every row."""
    prompt = model.prompt(["[1,2][3,4]"])
    schema = {
        "type": "array",
        "prefixItems": [{"type": "integer", "minimum": 0, "maximum": 9}] * 2,
        "items": False,
        "minItems": 2,
        "maxItems": 2,
    }
    began = time.perf_counter()
    with Decoder(model, slots=1, prefix_tokens=len(prompt), max_row_tokens=16) as decoder:
        decoder.prefill(prompt[:-1])
        _, completion = next(
            decoder.complete(
                [
                    Request(
                        (Segment(tuple(prompt[-1:]), Grammar(schema, model.tokenizer)),),
                        RowStream(1, stream=Stream.SELF_TEST),
                    )
                ]
            )
        )
    if completion.failure:
        raise ModelError(
            "The model loads and does not decode.",
            faults=[completion.failure],
            next_step="pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python",
        )
    return f"two numbers under a grammar: ok, {time.perf_counter() - began:.2f} s"
