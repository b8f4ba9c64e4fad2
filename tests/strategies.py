"""Random features, dictionaries and rows, for hypothesis."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from t2local.tables.calendar import whole_days
from t2local.tables.dictionary import Feature, FeatureDictionary

effects = st.one_of(
    st.none(),
    st.sampled_from(["raises", "strongly raises", "lowers", "strongly lowers", "none"]),
)
#: Names and levels of any kind: blanks inside, quotes, brackets, control characters, digits.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def numeric_features(draw, name=None):
    decimals = draw(st.integers(0, 5))
    grid = 10**decimals
    low, high = sorted(
        (draw(st.integers(-5000 * grid, 5000 * grid)), draw(st.integers(-5000 * grid, 5000 * grid)))
    )
    return Feature(
        name=name or draw(texts),
        type="decimal" if decimals else "integer",
        minimum=low / grid,
        maximum=high / grid,
        decimals=decimals,
        missing=draw(st.booleans()),
    )


@st.composite
def temporal_features(draw, name=None):
    kind, form, size = draw(
        st.sampled_from(
            [
                ("date", "%Y-%m-%d", 20_000),
                ("date", "%-d.%-m.%Y", 20_000),
                ("datetime", "%d/%m/%Y %H:%M", 20_000 * 1440),
                ("datetime", "%-m/%-d/%Y %-I:%M %p", 20_000 * 1440),
                ("datetime", "%Y-%m-%dT%H:%M:%S", 20_000 * 86_400),
                ("duration", "H:MM", 3000),
                ("duration", "H:MM:SS", 90_000),
            ]
        )
    )
    low, high = sorted((draw(st.integers(0, size)), draw(st.integers(0, size))))
    if kind == "datetime":
        low, high = whole_days(low, high, form)
    return Feature(
        name=name or draw(texts),
        type=kind,
        format=form,
        minimum=low,
        maximum=high,
        missing=draw(st.booleans()),
    )


@st.composite
def level_features(draw, name=None):
    codes = st.one_of(
        texts,
        st.integers(-99, 999).map(str),
        st.sampled_from(["01", "1.0", "null", "true", "-0", "1e3", "[1]"]),
    )
    levels = tuple(draw(st.lists(codes, min_size=1, max_size=6, unique=True)))
    kind = "boolean" if len(levels) == 2 and draw(st.booleans()) else "category"
    return Feature(name=name or draw(texts), type=kind, levels=levels, missing=draw(st.booleans()))


@st.composite
def with_effects(draw, feature):
    """The feature with what a person may say of its effect."""
    if len(feature.levels) == 1:
        return feature
    if len(feature.levels) < 3:
        return feature.model_copy(update={"effect": draw(effects)})
    by_level = {level: effect for level in feature.levels if (effect := draw(effects))}
    return feature.model_copy(update={"level_effects": by_level})


@st.composite
def dictionaries(draw, most=6):
    names = draw(st.lists(texts, min_size=2, max_size=most, unique=True))
    features = [
        draw(
            st.one_of(
                numeric_features(name=name), level_features(name=name), temporal_features(name=name)
            )
        )
        for name in names
    ]
    return FeatureDictionary(
        description=draw(st.one_of(st.just(""), texts)),
        target=draw(st.sampled_from(names)),
        features=tuple(features),
    )


@st.composite
def values(draw, feature):
    """A value that the feature allows."""
    if feature.missing and draw(st.integers(0, 4)) == 0:
        return None
    if not feature.numeric:
        return draw(st.sampled_from(feature.levels))
    grid = 10**feature.decimals
    low, high = (round(bound * grid) for bound in feature.bounds)
    return draw(st.integers(low, high)) / grid


def frame_of(dictionary: FeatureDictionary, rows: list[dict]) -> pd.DataFrame:
    """Rows as a frame of values."""
    raw = pd.DataFrame(rows, columns=dictionary.names, dtype=object)
    return pd.DataFrame({f.name: f.values(raw[f.name]) for f in dictionary.features})


def random_text(grammar, tokenizer, rng: np.random.Generator, most: int) -> str:
    """A text that a grammar accepts: a random walk over the allowed tokens of a byte tokenizer."""
    from t2local.llm.grammar import Masks
    from t2local.llm.sampling import allowed_tokens

    masks, written, matcher = Masks(1, tokenizer.vocab_size), list(grammar.forced), grammar.start()
    while not matcher.is_stopped():
        token = int(rng.choice(allowed_tokens(masks.fill([matcher])[0])))
        assert matcher.consume_tokens([token]), matcher.get_error()
        written.append(token)
        assert len(written) <= most, "longer than the row's budget"
    return bytes(written).decode()
