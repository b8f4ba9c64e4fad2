"""No two uses of random numbers share a stream, and nobody makes a generator behind its back."""

import ast
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import t2local
from t2local.stats.streams import Stream, generator, random_state

PACKAGE = Path(t2local.__file__).parent
ROOT = PACKAGE.parent
MAKERS = {"default_rng", "RandomState", "SeedSequence", "Philox", "PCG64", "PCG64DXSM", "MT19937"}
SEEDS = (0, 1, 2, 7, 100, 2**31, 2**32 - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_streams_of_a_seed_begin_alike(seed):
    first = {stream: generator(seed, stream).random(4) for stream in Stream}
    for one, other in combinations(Stream, 2):
        # Not even one of the first numbers at the same place, nor one shifted against the other.
        assert not np.isin(first[one], first[other]).any(), (one, other)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_two_streams_of_a_seed_have_the_same_random_state(seed):
    states = [random_state(seed, stream) for stream in Stream]
    assert len(set(states)) == len(states)
    assert all(0 <= state < 2**32 for state in states)


def test_neighbouring_seeds_and_indices_have_streams_of_their_own():
    first = [generator(seed, stream).random() for seed in range(20) for stream in Stream]
    first += [generator(1, Stream.ROW_TOKENS, i, j).random() for i in range(20) for j in range(20)]
    assert len(set(first)) == len(first)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(list(Stream)), st.lists(st.integers(0, 99)))
def test_a_stream_is_the_same_whenever_it_is_made(seed, stream, indices):
    generator(seed, Stream.SELF_TEST).random(5)  # another stream in between changes nothing
    again = generator(seed, stream, *indices).random(3)
    assert (generator(seed, stream, *indices).random(3) == again).all()


def test_streams_have_values_of_their_own_which_stay():
    assert len({int(stream) for stream in Stream}) == len(Stream)
    assert (Stream.PLAN_EXAMPLES, Stream.COST_FOLDS, Stream.SELF_TEST) == (1, 30, 70)


def nodes(folder):
    """Every node of the Python files of a folder, with the place where it stands."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            yield path, node


def called(node):
    """The dotted name of what is called: ``np.random.default_rng``."""
    return ast.unparse(node.func) if isinstance(node, ast.Call) else ""


def imported(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


def places(hits):
    return [f"{path.relative_to(ROOT)}:{node.lineno}" for path, node in hits]


@pytest.mark.parametrize("folder", ["t2local", "models"])
def test_only_streams_makes_generators(folder):
    def offends(node):
        name = called(node)
        seeds_all = name.endswith("random.seed") or name == "seed"
        return name.rpartition(".")[2] in MAKERS or seeds_all or "random" in imported(node)

    home = PACKAGE / "stats" / "streams.py"
    assert places((p, n) for p, n in nodes(ROOT / folder) if p != home and offends(n)) == []
    if folder == "t2local":  # the check sees what it looks for
        assert any(offends(node) for path, node in nodes(PACKAGE) if path == home)


def test_models_of_scikit_learn_get_a_state_of_a_named_stream():
    def offends(node):
        if not isinstance(node, ast.keyword) or node.arg != "random_state":
            return False
        return ast.unparse(node.value).rpartition(".")[2] in {"seed", "_seed"} or isinstance(
            node.value, ast.Constant
        )

    keywords = [(p, n) for p, n in nodes(PACKAGE) if isinstance(n, ast.keyword)]
    assert sum(n.arg == "random_state" for _, n in keywords) > 5
    assert places((p, n) for p, n in keywords if offends(n)) == []


def test_benches_take_their_seeds_from_named_streams():
    bench = ROOT / "bench"
    home = bench / "streams.py"
    if not home.is_file():
        pytest.skip("bench/streams.py is not beside the package")

    def offends(path, node):
        name = called(node).rpartition(".")[2]
        if name == "SeedSequence":
            return path != home
        sequences = ast.List | ast.Tuple
        return name in MAKERS and any(isinstance(part, sequences) for part in node.args)

    assert places((path, node) for path, node in nodes(bench) if offends(path, node)) == []
