"""The header of a GGUF, read in Python with limits, before llama.cpp parses a byte of the file.

llama.cpp's parser is native code that was written for friendly files (a list of its faults stands in SECURITY.md). What
this reader refuses never reaches it: a file that is no GGUF, is cut short, claims counts or lengths that cannot be, or has
tensors outside of itself. Source of the format: ggml's docs/gguf.md, versions 2 and 3.
"""

import math
import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from t2local.errors import ModelError

_MOST_KEYS, _MOST_TENSORS = 4096, 1 << 16
_LONGEST_KEY, _LONGEST_TEXT, _LONGEST_ARRAY = 1 << 10, 1 << 22, 1 << 23
_LONGEST_NAME, _MOST_DIMENSIONS, _MOST_ELEMENTS = 63, 4, 1 << 48
_STRING, _ARRAY = 8, 9
#: Numbers of the metadata by type: uint8, int8, uint16, int16, uint32, int32, float32, bool, then uint64, int64, float64.
_NUMBERS = {i: struct.Struct("<" + code) for i, code in enumerate("BbHhIif?")} | {
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
#: Numbers in a block and bytes of a block, by ggml's type of a tensor; a test compares them with the installed llama.cpp.
# fmt: off
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210), 15: (256, 292),
    16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18), 21: (256, 110), 22: (256, 82), 23: (256, 136),
    24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
}
# fmt: on
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")


@dataclass(frozen=True)
class Header:
    """What a file says of itself; bytes of the key-value cache for one token are ``cell_bytes``, 0 when it does not say."""

    architecture: str
    name: str
    licence: str
    context: int
    cell_bytes: int
    template: str  # its Jinja chat template: looked at, never run
    tensors: int


def read_header(path: Path) -> Header:
    """Read and check the header of a GGUF. **Raises** `ModelError` that says what is wrong and at which byte."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data, path).header()
    except ValueError as error:  # an empty file cannot be mapped
        raise _refused(path, "the file is empty") from error


def parts(path: Path) -> list[Path]:
    """All files of a model that is split over several, its first one given; just the file when it is not split.

    **Raises** `ModelError` when another part than the first is given.
    """
    found = _PART.search(path.name)
    if not found:
        return [path]
    if int(found[1]) != 1:
        raise ModelError(
            f"{path.name} is part {int(found[1])} of a model.",
            next_step=f"pass the first part, which ends in -00001-of-{found[2]}.gguf",
        )
    return [path.with_name(name) for name in part_names(path.name)]


def part_names(name: str) -> list[str]:
    """The names of all files of a model, by the name of the first."""
    found = _PART.search(name)
    return (
        [f"{name[: found.start()]}-{i:05d}-of-{found[2]}.gguf" for i in range(1, int(found[2]) + 1)]
        if found
        else [name]
    )


def stem(name: str) -> str:
    """The name of a model by the name of its (first) file."""
    return _PART.sub("", name).removesuffix(".gguf")


class _Reader:
    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data, self._size, self._at, self._path = data, len(data), 0, path

    def header(self) -> Header:
        if self._data[:4] != b"GGUF":
            raise _refused(self._path, "it does not begin as one")
        self._at = 4
        version, tensors, keys = self._number(4), self._number(10), self._number(10)
        self._check(version in (2, 3), f"version {version} of the format; 2 and 3 can be read")
        self._check(keys <= _MOST_KEYS, f"{keys} keys")
        self._check(tensors <= _MOST_TENSORS, f"{tensors} tensors")
        metadata: dict[str, Any] = {}
        for _ in range(keys):
            key = self._text(_LONGEST_KEY)
            self._check(key not in metadata, "a key that comes twice")
            metadata[key] = self._value(self._number(4))
        split = metadata.get("split.count", 0)
        self._check(tensors > 0 or (isinstance(split, int) and split > 1), "no tensors")
        self._tensors(tensors, metadata.get("general.alignment", 32))
        return _summary(metadata, tensors)

    def _tensors(self, count: int, alignment: Any) -> None:
        """Every tensor lies inside of the file."""
        self._check(
            isinstance(alignment, int) and 8 <= alignment <= 1 << 16 and alignment.bit_count() == 1,
            "an alignment that cannot be",
        )
        names: set[str] = set()
        ends = [0]
        for _ in range(count):
            name = self._text(_LONGEST_NAME)
            self._check(name not in names, "a tensor that comes twice")
            names.add(name)
            dimensions = self._number(4)
            self._check(1 <= dimensions <= _MOST_DIMENSIONS, f"a tensor of {dimensions} dimensions")
            shape = [self._number(10) for _ in range(dimensions)]
            kind, offset = self._number(4), self._number(10)
            self._check(
                kind in BLOCKS, f"a tensor of type {kind}, which this version does not know"
            )
            numbers, size = BLOCKS[kind]
            elements = math.prod(shape)
            self._check(
                0 < elements <= _MOST_ELEMENTS and shape[0] % numbers == 0,
                "a tensor of a shape that cannot be",
            )
            self._check(offset % alignment == 0, "a tensor that is not aligned")
            ends.append(offset + elements // numbers * size)
        start = -(-self._at // alignment) * alignment
        missing = start + max(ends) - self._size
        self._check(
            missing <= 0, f"{missing} bytes are missing at its end: it was cut short, or altered"
        )

    def _value(self, kind: int) -> Any:
        if kind in _NUMBERS:
            return self._number(kind)
        if kind == _STRING:
            return self._text(_LONGEST_TEXT)
        self._check(kind == _ARRAY, f"a value of type {kind}")
        inner, count = self._number(4), self._number(10)
        self._check(count <= _LONGEST_ARRAY, f"an array of {count} values")
        if inner == _STRING:
            for _ in range(count):
                self._skip(self._number(10))
            return count
        self._check(inner in _NUMBERS, f"an array of type {inner}")
        begin, size = self._at, _NUMBERS[inner].size
        self._skip(count * size)
        few = count <= _MOST_KEYS  # per layer; longer ones are scores and types of tokens
        return (
            [_NUMBERS[inner].unpack_from(self._data, begin + i * size)[0] for i in range(count)]
            if few
            else count
        )

    def _number(self, kind: int) -> Any:
        packed, begin = _NUMBERS[kind], self._at
        self._skip(packed.size)
        return packed.unpack_from(self._data, begin)[0]

    def _text(self, longest: int) -> str:
        length, begin = self._number(10), self._at
        self._check(length <= longest, f"a text of {length} bytes")
        self._skip(length)
        return self._data[begin : begin + length].decode("utf-8", errors="replace")

    def _skip(self, count: int) -> None:
        self._check(self._at + count <= self._size, "it ends within its header")
        self._at += count

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            raise _refused(self._path, f"{problem} (byte {self._at})")


def _summary(metadata: dict[str, Any], tensors: int) -> Header:
    architecture = str(metadata.get("general.architecture", ""))

    def number(key: str) -> int:
        value = metadata.get(f"{architecture}.{key}", 0)
        return (
            max(value, default=0)
            if isinstance(value, list)
            else value
            if isinstance(value, int)
            else 0
        )

    heads = number("attention.head_count")
    width = number("attention.key_length") or (number("embedding_length") // heads if heads else 0)
    both = width + (number("attention.value_length") or width)
    cell_bytes = number("block_count") * (number("attention.head_count_kv") or heads) * both * 2
    name, licence, template = (
        str(metadata.get(key, ""))
        for key in ("general.name", "general.license", "tokenizer.chat_template")
    )
    return Header(
        architecture, name, licence, number("context_length"), cell_bytes, template, tensors
    )


def _refused(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"{path.name} is not a GGUF file that can be used: {problem}.",
        next_step="copy or pull the file again; 'python -m t2local models list' names others",
    )
