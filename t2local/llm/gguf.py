"""The header of a GGUF, read in Python with limits, before llama.cpp parses a byte of the file.

llama.cpp's parser is native code that was written for friendly files (SECURITY.md lists its
faults). What this reader refuses never reaches it: a file that is no GGUF, is cut short, claims
counts or lengths that cannot be, or has tensors outside of itself. Source of the format: ggml's
docs/gguf.md, versions 2 and 3.
"""

import math
import mmap
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from t2local.errors import ModelError
from t2local.llm.cache_size import kv_bytes_per_token

#: Limits above what models have, so that no claim of a header costs much time or memory; lengths
#: are in bytes.
_MAX_KEYS, _MAX_TENSORS = 4096, 1 << 16
_MAX_KEY, _MAX_TEXT, _MAX_ARRAY = 1 << 10, 1 << 22, 1 << 23
#: ggml's own limits of a tensor.
_MAX_NAME, _MAX_DIMENSIONS, _MAX_ELEMENTS = 63, 4, 1 << 48
_MAX_ALIGNMENT = 1 << 16
#: Types of metadata that are no numbers, and two of the numbers that the header itself uses.
_STRING, _ARRAY = 8, 9
_UINT32, _UINT64 = 4, 10
#: Numbers of the metadata by type: uint8, int8, uint16, int16, uint32, int32, float32, bool, then
#: uint64, int64, float64.
_NUMBERS = {i: struct.Struct("<" + code) for i, code in enumerate("BbHhIif?")} | {
    10: struct.Struct("<Q"),
    11: struct.Struct("<q"),
    12: struct.Struct("<d"),
}
#: Numbers in a block and bytes of a block, by ggml's type of a tensor; a test compares them with
#: the installed llama.cpp.
# fmt: off
BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 16: (256, 66), 17: (256, 74), 18: (256, 98), 19: (256, 50), 20: (32, 18),
    21: (256, 110), 22: (256, 82), 23: (256, 136), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8),
    28: (1, 8), 29: (256, 56), 30: (1, 2), 34: (256, 54), 35: (256, 66), 39: (32, 17),
    40: (64, 36), 41: (128, 18), 42: (64, 18),
}
# fmt: on
_PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")

#: A value of the metadata: a number, a text, or the numbers of a short array.
_Value: TypeAlias = float | str | list[float]
_Metadata: TypeAlias = dict[str, _Value]


@dataclass(frozen=True)
class Header:
    """What a file says of itself.

    **Parameters:**

    * **context_length**: tokens that the model was trained for.
    * **kv_bytes_per_token**: bytes of the key-value cache for one token; 0 when it does not say.
    * **template**: its Jinja chat template; only `t2local.llm.chat_template` runs it.
    * **begin**, **end**: the texts of the tokens that begin and end a text; empty without such.
    """

    architecture: str
    name: str
    licence: str
    context_length: int
    kv_bytes_per_token: int
    template: str
    begin: str
    end: str
    n_tensors: int


def read_header(path: Path) -> Header:
    """Read and check the header of a GGUF.

    **Raises** `ModelError` that says what is wrong and at which byte.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data, path).header()
    except ValueError as error:  # an empty file cannot be mapped
        raise _unusable(path, "the file is empty") from error


def parts(path: Path) -> list[Path]:
    """All files of a model by its first one; just the file when the model is not split.

    **Raises** `ModelError` when another part than the first is given.
    """
    part = _PART.search(path.name)
    if part and int(part[1]) != 1:
        raise ModelError(
            f"{path.name} is part {int(part[1])} of a model.",
            next_step=f"pass the first part, which ends in -00001-of-{part[2]}.gguf",
        )
    return [path.with_name(name) for name in part_names(path.name)]


def part_names(name: str) -> list[str]:
    """The names of all files of a model, by the name of the first."""
    part = _PART.search(name)
    if not part or int(part[2]) == 1:
        return [name]
    return file_names(name[: part.start()], int(part[2]))


def file_names(beginning: str, count: int) -> list[str]:
    """The names of all files of a model of so many parts, as llama.cpp looks for them."""
    if count == 1:
        return [f"{beginning}.gguf"]
    return [f"{beginning}-{i:05d}-of-{count:05d}.gguf" for i in range(1, count + 1)]


def stem(name: str) -> str:
    """The name of a model by the name of its (first) file."""
    return _PART.sub("", name).removesuffix(".gguf")


class _Reader:
    """Reads a header from its first byte to its last; every step is checked before it is taken."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self._size = len(data)
        self._position = 0
        self._path = path

    def header(self) -> Header:
        if self._data[:4] != b"GGUF":
            raise _unusable(self._path, "it does not begin as one")
        self._position = 4
        version = self._number(_UINT32)
        n_tensors = self._number(_UINT64)
        n_keys = self._number(_UINT64)
        self._check(version in (2, 3), f"version {version} of the format; 2 and 3 can be read")
        self._check(n_keys <= _MAX_KEYS, f"{n_keys} keys")
        self._check(n_tensors <= _MAX_TENSORS, f"{n_tensors} tensors")
        metadata: _Metadata = {}
        positions = {}
        for _ in range(n_keys):
            key = self._text(_MAX_KEY)
            self._check(key not in metadata, "a key that comes twice")
            positions[key] = self._position
            metadata[key] = self._value(self._number(_UINT32))
        # The first file of a split model may hold the metadata alone.
        n_files = metadata.get("split.count", 0)
        self._check(n_tensors > 0 or (isinstance(n_files, int) and n_files > 1), "no tensors")
        self._check_tensors(n_tensors, self._alignment(metadata))
        tokens = positions.get("tokenizer.ggml.tokens", self._size)
        begin, end = (
            self._token(tokens, metadata.get(f"tokenizer.ggml.{name}_token_id"))
            for name in ("bos", "eos")
        )
        return _summary(metadata, n_tensors, begin, end)

    def _alignment(self, metadata: _Metadata) -> int:
        """Tensors begin at multiples of this many bytes."""
        value = metadata.get("general.alignment", 32)
        if isinstance(value, int) and 8 <= value <= _MAX_ALIGNMENT and value.bit_count() == 1:
            return value
        raise self._fault("an alignment that cannot be")

    def _token(self, tokens: int, number: object) -> str:
        """The text of a token, by the position of the array of all, which is walked once more."""
        self._position = tokens
        if not isinstance(number, int) or tokens == self._size:
            return ""
        if (self._number(_UINT32), self._number(_UINT32)) != (_ARRAY, _STRING):
            return ""
        if not 0 <= number < self._number(_UINT64):
            return ""
        for _ in range(number):
            self._skip(self._number(_UINT64))
        return self._text(_MAX_TEXT)

    def _check_tensors(self, count: int, alignment: int) -> None:
        """Every tensor lies inside of the file."""
        names: set[str] = set()
        data_bytes = 0
        for _ in range(count):
            name = self._text(_MAX_NAME)
            self._check(name not in names, "a tensor that comes twice")
            names.add(name)
            data_bytes = max(data_bytes, self._tensor_end(alignment))
        start = -(-self._position // alignment) * alignment
        missing = start + data_bytes - self._size
        self._check(
            missing <= 0, f"{missing} bytes are missing at its end: it was cut short, or altered"
        )

    def _tensor_end(self, alignment: int) -> int:
        """Where a tensor ends, in bytes after the beginning of all tensors."""
        n_dimensions = self._number(_UINT32)
        self._check(1 <= n_dimensions <= _MAX_DIMENSIONS, f"a tensor of {n_dimensions} dimensions")
        shape = [self._number(_UINT64) for _ in range(n_dimensions)]
        kind = self._number(_UINT32)
        offset = self._number(_UINT64)
        self._check(kind in BLOCKS, f"a tensor of type {kind}, which this version does not know")
        block_size, block_bytes = BLOCKS[kind]
        n_elements = math.prod(shape)
        self._check(
            0 < n_elements <= _MAX_ELEMENTS and shape[0] % block_size == 0,
            "a tensor of a shape that cannot be",
        )
        self._check(offset % alignment == 0, "a tensor that is not aligned")
        return int(offset + n_elements // block_size * block_bytes)

    def _value(self, kind: int) -> _Value:
        if kind in _NUMBERS:
            return self._number(kind)
        if kind == _STRING:
            return self._text(_MAX_TEXT)
        self._check(kind == _ARRAY, f"a value of type {kind}")
        return self._array(self._number(_UINT32), self._number(_UINT64))

    def _array(self, kind: int, count: int) -> list[float] | int:
        """The numbers of a short array, as there are one per layer; of all others their count.

        Long arrays are the texts, scores and types of tokens, which nobody needs here.
        """
        self._check(count <= _MAX_ARRAY, f"an array of {count} values")
        if kind == _STRING:
            for _ in range(count):
                self._skip(self._number(_UINT64))
            return count
        self._check(kind in _NUMBERS, f"an array of type {kind}")
        if count <= _MAX_KEYS:
            return [self._number(kind) for _ in range(count)]
        self._skip(count * _NUMBERS[kind].size)
        return count

    def _number(self, kind: int) -> Any:
        packed = _NUMBERS[kind]
        begin = self._position
        self._skip(packed.size)
        return packed.unpack_from(self._data, begin)[0]

    def _text(self, max_bytes: int) -> str:
        length = self._number(_UINT64)
        begin = self._position
        self._check(length <= max_bytes, f"a text of {length} bytes")
        self._skip(length)
        return self._data[begin : begin + length].decode("utf-8", errors="replace")

    def _skip(self, count: int) -> None:
        self._check(self._position + count <= self._size, "it ends within its header")
        self._position += count

    def _check(self, holds: bool, problem: str) -> None:
        if not holds:
            raise self._fault(problem)

    def _fault(self, problem: str) -> ModelError:
        return _unusable(self._path, f"{problem} (byte {self._position})")


def _summary(metadata: _Metadata, n_tensors: int, begin: str, end: str) -> Header:
    architecture = str(metadata.get("general.architecture", ""))

    context_length = metadata.get(f"{architecture}.context_length")

    def text(key: str) -> str:
        return str(metadata.get(key, ""))

    return Header(
        architecture=architecture,
        name=text("general.name"),
        licence=text("general.license"),
        context_length=context_length if isinstance(context_length, int) else 0,
        kv_bytes_per_token=kv_bytes_per_token(metadata),
        template=text("tokenizer.chat_template"),
        begin=begin,
        end=end,
        n_tensors=n_tensors,
    )


def _unusable(path: Path, problem: str) -> ModelError:
    return ModelError(
        f"{path.name} is not a GGUF file that can be used: {problem}.",
        next_step="copy or pull the file again; 'python -m t2local models list' names others",
    )
