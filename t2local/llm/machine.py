"""What the machine has, and what follows from it: threads, rows side by side, layers on a GPU.

Every choice is a `Decision` with its reason. The CPU rules were measured with ``bench/decoder.py``;
the rules for GPUs, macOS and Windows are written from documentation and were not run by the
developers.
"""

import ctypes
import os
import platform
import sys
from dataclasses import dataclass
from importlib.metadata import version
from itertools import chain
from pathlib import Path

import llama_cpp as llama
from llama_cpp._ggml import libggml

from t2local.events import Decision

#: Rows side by side that keep a device busy: on a CPU more gain nothing; a GPU has room for more.
_BUSY_ROWS = {"a CPU": 32, "a GPU": 64}
#: From 64 tokens a step on, llama.cpp's attention for CPUs works in tiles, which are slower for
#: short rows after a long prompt.
_STEP_ON_CPU, _STEP_ON_GPU = 63, 512
#: In contexts of up to so many tokens rows are faster on a CPU without llama.cpp's flash attention:
#: the starter's by 7, 16 and 5 % after prompts of 300, 1,000 and 2,000 tokens (18 % slower after
#: 4,000: its layers with a window compute all cells), those of Qwen2.5 0.5B by 24 % after 1,000.
_SHORT_CONTEXT = 4096
#: Tokens of one pass: llama.cpp's own choice, and one that needs a quarter of the working memory.
_BATCH, _SMALL_BATCH = 512, 128
#: "All layers", in llama.cpp's counting: no model has as many.
_ALL_LAYERS = 999
_MEGABYTE = 2**20
#: Signs of a GPU that do not come from llama.cpp: file, device, option of the build.
_GPU_SIGNS = (
    (Path("/proc/driver/nvidia/version"), "an NVIDIA GPU", "CUDA"),
    (Path("/dev/nvidia0"), "an NVIDIA GPU", "CUDA"),
    (Path("/dev/kfd"), "an AMD GPU", "HIP"),
)
#: Linux's word for what a CPU has, and llama.cpp's for what it uses.
_INSTRUCTION_SETS = {
    "avx": "AVX",
    "avx2": "AVX2",
    "fma": "FMA",
    "f16c": "F16C",
    "bmi2": "BMI2",
    "avx_vnni": "AVX_VNNI",
    "amx_int8": "AMX_INT8",
    "avx512f": "AVX512",
    "avx512vbmi": "AVX512_VBMI",
    "avx512_vnni": "AVX512_VNNI",
    "avx512_bf16": "AVX512_BF16",
}
#: Those whose absence from a build is a problem to report.
_REPORTED_SETS = ("avx2", "avx512f")
#: ``ggml_backend_dev_type``, in its order; newer types count as the last.
_KINDS = ("cpu", "gpu", "integrated gpu", "accelerator")
_REBUILD = "pip install --force-reinstall --no-binary llama-cpp-python llama-cpp-python"
_CGROUP = Path("/sys/fs/cgroup")
_CPUS = Path("/sys/devices/system/cpu")


@dataclass(frozen=True)
class Device:
    """A device that llama.cpp can compute on; memory in bytes."""

    name: str
    description: str
    kind: str
    free_bytes: int
    total_bytes: int


@dataclass(frozen=True)
class MachineIdentity:
    """What must be equal for a measured speed to hold: devices, cores, build of llama.cpp."""

    devices: tuple[str, ...]
    cores: int
    llama_cpp_python: str
    build: str


def identity() -> MachineIdentity:
    """The machine as this process sees it: with a part of the cores it is another one."""
    return MachineIdentity(
        devices=tuple(f"{device.name}: {device.description}" for device in devices()),
        cores=threads(0).value,
        llama_cpp_python=version("llama-cpp-python"),
        build=system_info(),
    )


def devices() -> list[Device]:
    """The devices that this build of llama.cpp sees."""
    size = ctypes.POINTER(ctypes.c_size_t)
    for name, result, arguments in (
        ("ggml_backend_dev_count", ctypes.c_size_t, []),
        ("ggml_backend_dev_get", ctypes.c_void_p, [ctypes.c_size_t]),
        ("ggml_backend_dev_name", ctypes.c_char_p, [ctypes.c_void_p]),
        ("ggml_backend_dev_description", ctypes.c_char_p, [ctypes.c_void_p]),
        ("ggml_backend_dev_type", ctypes.c_int, [ctypes.c_void_p]),
        ("ggml_backend_dev_memory", None, [ctypes.c_void_p, size, size]),
    ):
        function = getattr(libggml, name)
        function.restype = result
        function.argtypes = arguments
    return [
        _device(libggml.ggml_backend_dev_get(i)) for i in range(libggml.ggml_backend_dev_count())
    ]


def _device(handle: int) -> Device:
    free = ctypes.c_size_t()
    total = ctypes.c_size_t()
    libggml.ggml_backend_dev_memory(handle, free, total)
    return Device(
        name=libggml.ggml_backend_dev_name(handle).decode(),
        description=libggml.ggml_backend_dev_description(handle).decode(),
        kind=_KINDS[min(libggml.ggml_backend_dev_type(handle), len(_KINDS) - 1)],
        free_bytes=free.value,
        total_bytes=total.value,
    )


def gpus() -> list[Device]:
    """The devices to which layers can be offloaded."""
    if not llama.llama_supports_gpu_offload():
        return []
    return [device for device in devices() if device.kind in ("gpu", "integrated gpu")]


def gpu_support() -> str:
    """Whether this build of llama.cpp is one for GPUs, and what it found."""
    if not llama.llama_supports_gpu_offload():
        return "this build of llama.cpp is for CPUs alone (docs/howto/gpu.md)"
    if not gpus():
        return "this build of llama.cpp is for GPUs and finds none: is the driver new enough?"
    names = ", ".join(gpu.name for gpu in gpus())
    return f"this build of llama.cpp is for GPUs, and puts all layers on {names}"


def system_info() -> str:
    """The instruction sets that this build of llama.cpp uses."""
    return str(llama.llama_print_system_info().decode())


def problems() -> list[str]:
    """What goes wrong with this build on this machine, and what to do."""
    faults = [*_unused_gpus(), *_unused_instruction_sets()]
    repacking = extra_buffers()
    if not repacking.value:
        faults.append(f"{repacking.reason}; a build without AMX is faster here (docs/howto/gpu.md)")
    return faults


def _unused_gpus() -> list[str]:
    if gpus():
        return []
    faults = [
        f"there is {device}, and this build of llama.cpp does not use it: "
        f"CMAKE_ARGS=-DGGML_{option}=on {_REBUILD}"
        for sign, device, option in _GPU_SIGNS
        if sign.exists()
    ]
    if sys.platform == "darwin" and platform.machine() == "arm64":
        faults.append(
            f"this build of llama.cpp has no Metal: CMAKE_ARGS=-DGGML_METAL=on {_REBUILD}"
        )
    return faults


def _unused_instruction_sets() -> list[str]:
    lines = _read(Path("/proc/cpuinfo")).splitlines()
    flags = next((line for line in lines if line.startswith("flags")), "").split()
    used = instruction_sets()
    return [
        f"this CPU has {_INSTRUCTION_SETS[flag]}, and this build of llama.cpp does not use it: "
        f"{_REBUILD}"
        for flag in _REPORTED_SETS
        if flag in flags and flag not in used
    ]


def instruction_sets() -> list[str]:
    """What a CPU must have to run this build of llama.cpp, in the words of Linux."""
    info = system_info() + " "
    return [flag for flag, name in _INSTRUCTION_SETS.items() if f" {name} = 1 " in info]


def threads(requested: int) -> Decision:
    """CPU threads: one for each physical core that this process may use.

    A second thread on a core only competes for its arithmetic, and a thread beyond a container's
    quota stops all others at every barrier. Nothing is timed: the number of threads is part of what
    makes a run repeatable.
    """
    what = "threads"
    if requested:
        return Decision(what, requested, "asked for")
    if sys.platform == "darwin" and (n_fast := _sysctl("hw.perflevel0.physicalcpu")):
        return Decision(what, n_fast, "one for each performance core")
    n_cores = _physical_cores()
    quota = _cpu_quota()
    if quota and quota < n_cores:
        return Decision(
            what, quota, f"this process may use {quota} of {n_cores} cores (cgroup quota)"
        )
    return Decision(what, n_cores, "one for each physical core this process may use")


def cpus() -> set[int]:
    """The numbers of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _physical_cores() -> int:
    """Cores that this process may use; CPUs that share one are counted once."""
    siblings = {_read(_CPUS / f"cpu{i}" / "topology" / "thread_siblings_list") or i for i in cpus()}
    return len(siblings)


def _cpu_quota() -> int:
    """Whole CPUs that a Linux container may use; 0 for no limit."""
    limit, _, period = _read(_CGROUP / "cpu.max").partition(" ")
    if not (limit.isdecimal() and period.isdecimal()):
        return 0
    return max(1, int(limit) // int(period))


def computing_seconds() -> float:
    """Seconds that the CPUs of this process have computed so far, for all programs; Linux only.

    Elsewhere 0.
    """
    names = {f"cpu{i}" for i in cpus()}
    lines = [line.split() for line in _read(Path("/proc/stat")).splitlines()]
    # Each line: user, nice, system, idle, waiting, two kinds of interrupts, what a host took away.
    ticks = [fields[1:4] + fields[6:9] for fields in lines if fields[:1] and fields[0] in names]
    if not ticks:
        return 0
    return sum(map(int, chain.from_iterable(ticks))) / os.sysconf("SC_CLK_TCK")


def free_memory() -> int:
    """Bytes that can still be used; 0: nobody knows.

    Of the first GPU when there is one, else of main memory, within a container's limit.
    """
    for gpu in gpus():
        return gpu.free_bytes
    lines = _read(Path("/proc/meminfo")).splitlines()
    values = dict(line.split(":", 1) for line in lines if ":" in line)
    free = int(values.get("MemAvailable", "0 kB").split()[0]) * 1024
    limit = _read(_CGROUP / "memory.max")
    used = _read(_CGROUP / "memory.current")
    if not (limit.isdecimal() and used.isdecimal()):
        return free
    return min(free, int(limit) - int(used))


def fits(needed_bytes: int) -> Decision:
    """Whether a model that needs so many bytes can run now."""
    free = free_memory()
    need = f"needs {needed_bytes / 1e9:.1f} GB"
    if not free:
        return Decision("memory", True, f"{need}; how much is free is not known")
    return Decision("memory", needed_bytes <= free, f"{need}, {free / 1e9:.1f} GB are free")


def busy_rows() -> Decision:
    """Rows side by side that keep the machine busy, whatever memory they take."""
    device = "a GPU" if gpus() else "a CPU"
    return Decision("rows side by side", _BUSY_ROWS[device], f"enough to keep {device} busy")


def slots(requested: int, row_bytes: int, busy: Decision | None = None) -> Decision:
    """Rows to write side by side.

    **Parameters:**

    * **requested**: this many, whatever the memory; 0: as many as keep the machine busy, in a
      quarter of the free memory.
    * **row_bytes**: memory of one row: key-value cache of its tokens, and recurrent state.
    * **busy**: how many keep the machine busy; none: by `busy_rows`.
    """
    most = busy or busy_rows()
    if requested:
        return Decision(most.what, requested, "asked for")
    free = free_memory()
    free_megabytes = free // _MEGABYTE
    # The rest of the memory is for the prompt, the working memory of a batch, and other programs.
    if free and (n_fitting := free // 4 // max(1, row_bytes)) < most.value:
        return Decision(
            most.what,
            max(1, n_fitting),
            f"a quarter of the {free_megabytes} MB of free memory holds no more",
        )
    return Decision(
        most.what,
        most.value,
        f"{most.reason}; they take {most.value * row_bytes // _MEGABYTE} of "
        f"{free_megabytes} MB of free memory",
    )


def max_step_tokens() -> int:
    """Tokens of a step with many rows beyond which it is slower."""
    return _STEP_ON_GPU if gpus() else _STEP_ON_CPU


def batch(token_bytes: int) -> Decision:
    """Tokens of one pass through the model; ``token_bytes``: working memory that one needs."""
    free = free_memory()
    if free and _BATCH * token_bytes > free // 8:
        return Decision("tokens a pass", _SMALL_BATCH, f"{free // _MEGABYTE} MB of free memory")
    return Decision("tokens a pass", _BATCH, "the prompt goes through in few passes")


def offload() -> Decision:
    """How many layers go to a GPU: all, when there is one."""
    for gpu in gpus():
        return Decision("GPU layers", _ALL_LAYERS, f"all layers on {gpu.name}")
    return Decision("GPU layers", 0, "no GPU that this build of llama.cpp can use")


def flash_attention(requested: str) -> Decision:
    """How llama.cpp computes attention: "on", "off", or "auto" for the rule of `attention_for`."""
    what = "flash attention"
    if requested != "auto":
        return Decision(what, requested, "asked for")
    if gpus():
        return Decision(what, requested, "llama.cpp chooses by device and model")
    reason = f"on a CPU none in a context of up to {_SHORT_CONTEXT} tokens: rows are faster so"
    return Decision(what, requested, reason)


def attention_for(choice: str, n_tokens: int) -> str:
    """What "auto" is in a context of so many tokens; other choices stay."""
    if choice == "auto" and n_tokens <= _SHORT_CONTEXT and not gpus():
        return "off"
    return choice


def extra_buffers() -> Decision:
    """Whether llama.cpp may repack weights for this CPU: not in a build with AMX.

    Its AMX kernels kill the process on virtual machines that hide the tile palette (llama.cpp
    issue 20824).
    """
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
    value = ctypes.c_int()
    size = ctypes.c_size_t(ctypes.sizeof(value))
    failed = ctypes.CDLL(None).sysctlbyname(
        name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0
    )
    return 0 if failed else value.value
