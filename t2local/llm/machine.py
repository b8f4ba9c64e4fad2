"""What the machine has, and what follows from it: threads, rows side by side, layers on a GPU.

Every choice is a `Decision` with its reason. The CPU rules were measured with ``bench/decoder.py``; the rules for GPUs,
macOS and Windows are written from documentation and were not run by the developers.
"""

import ctypes
import os
import platform
import sys
from pathlib import Path
from typing import Any

import llama_cpp as llama
from llama_cpp._ggml import libggml

from t2local.events import Decision

#: Rows side by side: on a CPU more gain nothing; a GPU has room for more.
_ROWS_ON_CPU, _ROWS_ON_GPU = 32, 64
#: From 64 tokens a step on, llama.cpp's attention for CPUs works in tiles, which are slower for short rows after a long prompt.
_STEP_ON_CPU, _STEP_ON_GPU = 63, 512
#: Tokens of one pass: llama.cpp's own choice, and a smaller one that needs a quarter of the working memory.
_BATCH, _SMALL_BATCH = 512, 128
_MEGABYTE = 2**20
#: Signs of a GPU that do not come from llama.cpp.
_GPU_SIGNS = (
    (Path("/proc/driver/nvidia/version"), "an NVIDIA GPU", "CUDA"),
    (Path("/dev/nvidia0"), "an NVIDIA GPU", "CUDA"),
    (Path("/dev/kfd"), "an AMD GPU", "HIP"),
)
# fmt: off
#: Linux's word for what a CPU has, and llama.cpp's for what it uses.
_INSTRUCTION_SETS = {
    "avx": "AVX", "avx2": "AVX2", "fma": "FMA", "f16c": "F16C", "bmi2": "BMI2", "avx_vnni": "AVX_VNNI", "amx_int8": "AMX_INT8",
    "avx512f": "AVX512", "avx512vbmi": "AVX512_VBMI", "avx512_vnni": "AVX512_VNNI", "avx512_bf16": "AVX512_BF16",
}
# fmt: on
_CGROUP, _CPUS = Path("/sys/fs/cgroup"), Path("/sys/devices/system/cpu")


def devices() -> list[dict[str, Any]]:
    """The devices that this build of llama.cpp sees: name, description, kind, memory free and in all (bytes)."""
    for name, result, arguments in (
        ("ggml_backend_dev_count", ctypes.c_size_t, []),
        ("ggml_backend_dev_get", ctypes.c_void_p, [ctypes.c_size_t]),
        ("ggml_backend_dev_name", ctypes.c_char_p, [ctypes.c_void_p]),
        ("ggml_backend_dev_description", ctypes.c_char_p, [ctypes.c_void_p]),
        ("ggml_backend_dev_type", ctypes.c_int, [ctypes.c_void_p]),
        (
            "ggml_backend_dev_memory",
            None,
            [ctypes.c_void_p, ctypes.POINTER(ctypes.c_size_t), ctypes.POINTER(ctypes.c_size_t)],
        ),
    ):
        function = getattr(libggml, name)
        function.restype, function.argtypes = result, arguments
    return [
        _device(libggml.ggml_backend_dev_get(i)) for i in range(libggml.ggml_backend_dev_count())
    ]


def _device(handle: int) -> dict[str, Any]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    libggml.ggml_backend_dev_memory(handle, free, total)
    return {
        "name": libggml.ggml_backend_dev_name(handle).decode(),
        "description": libggml.ggml_backend_dev_description(handle).decode(),
        "kind": ("cpu", "gpu", "integrated gpu", "accelerator")[
            min(libggml.ggml_backend_dev_type(handle), 3)
        ],
        "free": free.value,
        "total": total.value,
    }


def gpus() -> list[dict[str, Any]]:
    """The devices to which layers can be offloaded."""
    return (
        [device for device in devices() if device["kind"] in ("gpu", "integrated gpu")]
        if llama.llama_supports_gpu_offload()
        else []
    )


def system_info() -> str:
    """The instruction sets that this build of llama.cpp uses."""
    return str(llama.llama_print_system_info().decode())


def problems() -> list[str]:
    """What is known to go wrong with this build on this machine, and what to do."""
    found = []
    again = "pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python"
    if not gpus():
        for sign, device, option in _GPU_SIGNS:
            if sign.exists():
                found.append(
                    f"there is {device}, and this build of llama.cpp does not use it: CMAKE_ARGS=-DGGML_{option}=on {again}"
                )
        if sys.platform == "darwin" and platform.machine() == "arm64":
            found.append(
                f"this build of llama.cpp has no Metal: CMAKE_ARGS=-DGGML_METAL=on {again}"
            )
    flags = set(
        next(
            (
                line
                for line in _read(Path("/proc/cpuinfo")).splitlines()
                if line.startswith("flags")
            ),
            "",
        ).split()
    )
    for flag, name in _INSTRUCTION_SETS.items():
        if flag in flags and flag in ("avx2", "avx512f") and f"{name} = 1" not in system_info():
            found.append(
                f"this CPU has {name}, and this build of llama.cpp does not use it: {again}"
            )
    if not extra_buffers().value:
        found.append(
            f"{extra_buffers().reason}; a build without AMX is faster here (README, Models and machines)"
        )
    return found


def instruction_sets() -> list[str]:
    """What a CPU must have to run this build of llama.cpp, in the words of Linux."""
    info = system_info() + " "
    return [flag for flag, name in _INSTRUCTION_SETS.items() if f" {name} = 1 " in info]


def threads(asked: int) -> Decision:
    """CPU threads: one for each physical core that this process may use.

    A second thread on a core only competes for its arithmetic, and a thread beyond a container's quota stops all others at
    every barrier. Nothing is timed: the number of threads is part of what makes a run repeatable.
    """
    if asked:
        return Decision("threads", asked, "asked for")
    if sys.platform == "darwin" and (fast := _sysctl("hw.perflevel0.physicalcpu")):
        return Decision("threads", fast, "one for each performance core")
    allowed = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    cores = len(
        {
            _read(_CPUS / f"cpu{cpu}" / "topology" / "thread_siblings_list") or str(cpu)
            for cpu in allowed
        }
    )
    quota = _quota()
    if quota and quota < cores:
        return Decision(
            "threads", quota, f"this process may use {quota} of {cores} cores (cgroup quota)"
        )
    return Decision("threads", cores, "one for each physical core this process may use")


def _quota() -> int:
    """Whole CPUs that a Linux container may use; 0 for no limit."""
    limit, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    return max(1, int(limit) // int(period)) if limit.isdecimal() and period.isdecimal() else 0


def free_memory() -> int:
    """Bytes that can still be used: of the first GPU when there is one, else of main memory, within a container's limit; 0: not known."""
    if found := gpus():
        return int(found[0]["free"])
    lines = dict(
        line.split(":", 1) for line in _read(Path("/proc/meminfo")).splitlines() if ":" in line
    )
    free = int(lines.get("MemAvailable", "0 kB").split()[0]) * 1024
    limit, used = _read(_CGROUP / "memory.max"), _read(_CGROUP / "memory.current")
    return min(free, int(limit) - int(used)) if limit.isdecimal() and used.isdecimal() else free


def fits(need: int) -> Decision:
    """Whether a model that needs so many bytes can run now."""
    free = free_memory()
    if not free:
        return Decision("memory", True, f"needs {need / 1e9:.1f} GB; how much is free is not known")
    return Decision(
        "memory", need <= free, f"needs {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free"
    )


def slots(asked: int, cells: int, cell_bytes: int) -> Decision:
    """Rows written side by side.

    **Parameters:**

    * **cells**: tokens of one row; **cell_bytes**: bytes of the key-value cache for one token.
    """
    if asked:
        return Decision("rows side by side", asked, "asked for")
    most, where = (_ROWS_ON_GPU, "a GPU") if gpus() else (_ROWS_ON_CPU, "a CPU")
    free = free_memory()
    fitting = free // 4 // (cells * cell_bytes) if free else most
    if fitting < most:
        return Decision(
            "rows side by side",
            max(1, fitting),
            f"a quarter of the {free // _MEGABYTE} MB of free memory holds no more",
        )
    return Decision(
        "rows side by side",
        most,
        f"enough to keep {where} busy; they take {most * cells * cell_bytes // _MEGABYTE} of {free // _MEGABYTE} MB of free memory",
    )


def best_step() -> int:
    """Tokens of a step with many rows, beyond which it is slower."""
    return _STEP_ON_GPU if gpus() else _STEP_ON_CPU


def batch(working_bytes: int) -> Decision:
    """Tokens of one pass through the model; ``working_bytes``: working memory that one token needs."""
    free = free_memory()
    if free and _BATCH * working_bytes > free // 8:
        return Decision("tokens a pass", _SMALL_BATCH, f"{free // _MEGABYTE} MB of free memory")
    return Decision("tokens a pass", _BATCH, "the prompt goes through in few passes")


def offload() -> Decision:
    """How many layers go to a GPU: all, when there is one."""
    if found := gpus():
        return Decision("GPU layers", 999, f"all layers on {found[0]['name']}")
    return Decision("GPU layers", 0, "no GPU that this build of llama.cpp can use")


def extra_buffers() -> Decision:
    """llama.cpp's AMX kernels kill the process on virtual machines that hide the tile palette (llama.cpp issue 20824)."""
    if "AMX_INT8 = 1" in system_info():
        return Decision(
            "weight repacking",
            False,
            "this build uses AMX, which crashes on some virtual machines: weights are not repacked",
        )
    return Decision("weight repacking", True, "weights are repacked for this CPU")


def _read(path: Path) -> str:
    """The text of a small system file; empty where there is none."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _sysctl(name: str) -> int:
    """A number of macOS's kernel; 0 where it has none."""
    value, size = ctypes.c_int(), ctypes.c_size_t(ctypes.sizeof(ctypes.c_int))
    failed = ctypes.CDLL(None).sysctlbyname(
        name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0
    )
    return 0 if failed else value.value
