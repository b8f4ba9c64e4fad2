"""Headers of GGUF files: what they say, and that no bytes do harm."""

import contextlib
import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import ModelError
from t2local.llm import gguf
from tests.tiny import CONTEXT, HEADS, WIDTH, tiny


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny(tmp_path_factory.mktemp("gguf") / "a.gguf")


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("gguf") / "b.gguf"


def test_the_header_says_what_the_model_is(model):
    header = gguf.read_header(model)
    assert (
        header.architecture,
        header.name,
        header.context_length,
        header.kv_bytes_per_token,
        header.licence,
        header.template,
    ) == ("llama", "tiny", CONTEXT, 128, "apache-2.0", "")
    assert header.n_tensors == 12
    assert (header.begin, header.end) == ("<s>", "</s>")


@pytest.mark.parametrize(
    "changes",
    [
        {"tokenizer.ggml.bos_token_id": (4, 1 << 20)},
        {"tokenizer.ggml.bos_token_id": (5, -1)},
        {"tokenizer.ggml.bos_token_id": (8, "<s>")},
        {"tokenizer.ggml.tokens": (9, (4, [1, 2, 3]))},
        {"tokenizer.ggml.tokens": (4, 7)},
    ],
)
def test_a_first_token_that_is_none_has_no_text(scratch, changes):
    assert gguf.read_header(tiny(scratch, **changes)).begin == ""


@pytest.mark.parametrize(
    ("changes", "kv_bytes"),
    [
        # Bytes of the cache: layers x heads x (width of keys + width of values) x 2.
        ({}, 1 * HEADS * (WIDTH // HEADS) * 2 * 2),
        ({"llama.block_count": (4, 3)}, 3 * HEADS * (WIDTH // HEADS) * 2 * 2),
        ({"llama.attention.head_count_kv": (4, 1)}, 1 * 1 * (WIDTH // HEADS) * 2 * 2),
        ({"llama.attention.key_length": (4, 10)}, 1 * HEADS * (10 + WIDTH // HEADS) * 2),
        (
            {"llama.attention.key_length": (4, 10), "llama.attention.value_length": (4, 6)},
            1 * HEADS * 16 * 2,
        ),
        ({"llama.attention.head_count": (4, 0), "llama.attention.head_count_kv": (4, 0)}, 0),
        ({"llama.attention.head_count_kv": (5, -4)}, 0),
        ({"llama.block_count": (8, "three")}, 0),
        ({"llama.block_count": (4, 1 << 31)}, 0),
    ],
)
def test_the_size_of_the_cache_follows_from_the_header(scratch, changes, kv_bytes):
    assert gguf.read_header(tiny(scratch, **changes)).kv_bytes_per_token == kv_bytes


def test_types_of_tensors_and_their_sizes_are_those_of_the_installed_llama_cpp(tmp_path):
    """All that its own reader accepts, so that a type of a new version is missed here."""
    from llama_cpp._ggml import libggml

    from t2local.llm.outputs import _declare_gguf_functions, _GgufParameters, _traits

    _declare_gguf_functions()
    path = tmp_path / "a.gguf"
    sizes = {}
    for kind in range(64):
        head = b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + struct.pack("<Q1s", 1, b"a")
        head += struct.pack("<IQIQ", 1, 1024, kind, 0)
        path.write_bytes(head + bytes(-len(head) % 32) + bytes(1 << 13))
        if header := libggml.gguf_init_from_file(bytes(path), _GgufParameters(True, None)):
            libggml.gguf_free(header)
            sizes[kind] = (_traits(kind).block_size, _traits(kind).type_size)
    assert sizes == gguf.BLOCKS


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_bytes_are_a_header_or_a_clear_error(model, scratch, data):
    content = bytearray(model.read_bytes())
    end = content.index(b"blk.0.ffn_norm.weight") + 60
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, end))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.none() | st.integers(0, len(content)))
    scratch.write_bytes(content[:cut])
    with contextlib.suppress(ModelError):
        gguf.read_header(scratch)
        assert cut is None or cut == len(content)


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=200))
def test_bytes_after_the_magic_word_are_never_trusted(scratch, content):
    scratch.write_bytes(b"GGUF" + content)
    with pytest.raises(ModelError, match=r"cannot be used|can be used"):
        gguf.read_header(scratch)


@pytest.mark.parametrize("claim", [(1 << 62, 12), (3, 1 << 62)])
def test_counts_that_cannot_be_take_neither_time_nor_memory(tmp_path, claim):
    path = tmp_path / "bomb.gguf"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, *claim) + bytes(100))
    began = time.perf_counter()
    with pytest.raises(ModelError):
        gguf.read_header(path)
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"general.alignment": (4, 7)}, "alignment"),
        ({"general.alignment": (4, 0)}, "alignment"),
        ({"general.alignment": (8, "32")}, "alignment"),
        ({"x": (9, (9, []))}, "array of type 9"),
        ({"x" * 2000: (4, 1)}, "text of 2000 bytes"),
    ],
)
def test_what_cannot_be_is_named_with_its_byte(scratch, changes, problem):
    tiny(scratch, **changes)
    with pytest.raises(ModelError, match=rf"{problem}.*\(byte \d+\)"):
        gguf.read_header(scratch)


def test_a_key_or_a_tensor_that_comes_twice_is_refused(model, scratch):
    for name in (b"general.name", b"blk.0.attn_q.weight"):
        other = {b"general.name": b"generol.name", b"blk.0.attn_q.weight": b"blk.0.attn_k.weight"}
        content = model.read_bytes()
        if name == b"general.name":
            tiny(scratch, **{"generol.name": (8, "x")})
            content = scratch.read_bytes()
        scratch.write_bytes(content.replace(other[name], name, 1))
        with pytest.raises(ModelError, match="comes twice"):
            gguf.read_header(scratch)


def test_one_missing_byte_at_the_end_is_missed(model, scratch):
    scratch.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ModelError, match="1 bytes are missing"):
        gguf.read_header(scratch)


def test_an_empty_file_says_so(scratch):
    scratch.write_bytes(b"")
    with pytest.raises(ModelError, match="is empty"):
        gguf.read_header(scratch)


@pytest.mark.parametrize(
    ("name", "stem", "names"),
    [
        ("a.gguf", "a", ["a.gguf"]),
        ("a.b", "a.b", ["a.b"]),
        (
            "m-00001-of-00003.gguf",
            "m",
            [f"m-0000{i}-of-00003.gguf" for i in (1, 2, 3)],
        ),
        ("m-1-of-3.gguf", "m-1-of-3", ["m-1-of-3.gguf"]),
    ],
)
def test_names_of_the_parts_follow_from_the_first(tmp_path, name, stem, names):
    assert gguf.stem(name) == stem
    assert gguf.part_names(name) == names
    assert gguf.parts(tmp_path / name) == [tmp_path / part for part in names]


def test_the_second_part_is_refused_with_the_name_of_the_first(tmp_path):
    with pytest.raises(ModelError, match="part 2 of a model") as caught:
        gguf.parts(tmp_path / "m-00002-of-00003.gguf")
    assert "-00001-of-00003.gguf" in caught.value.next_step
