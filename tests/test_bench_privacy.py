"""The bench of planted leaks plants what it says."""

import pytest

privacy = pytest.importorskip("bench.privacy", reason="bench/ is not beside an installed package")


def test_so_many_real_rows_are_leaked_as_the_arm_says():
    arms = ("clean", "copied 5", "changed 10", "altered 2")
    pairs = dict(privacy.sets("mixed", 100, 0, arms))
    clean = pairs["clean"]
    equal = {arm: len(pair.synthetic.merge(pair.real)) for arm, pair in pairs.items()}
    assert equal == {"clean": 0, "copied 5": 5, "changed 10": 0, "altered 2": 0}
    levels = [column.name for column in clean.dictionary.features if not column.numeric]
    changed = pairs["changed 10"].synthetic
    assert changed.head(10)[levels].equals(clean.real.head(10)[levels])
    assert changed[10:].equals(clean.synthetic[10:])


def test_a_line_has_a_finding_of_the_leak_and_none_of_the_clean_rows():
    pairs = dict(privacy.sets("mixed", 100, 2, ("clean", "copied 10")))
    clean, leaky = (privacy.measured("mixed", 100, 2, arm, pair) for arm, pair in pairs.items())
    assert (clean.leak, leaky.leak) == (False, True)
    assert leaky.nearness < 0.01
    assert clean.binomial is not None
