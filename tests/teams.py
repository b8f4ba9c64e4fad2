"""Plans, conditions and teams, for the tests of `t2local.team`."""

import itertools

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from t2local.errors import DecodeError
from t2local.llm.grammar import Masks
from t2local.llm.sampling import allowed_tokens
from t2local.llm.scripted import ScriptedModel
from t2local.settings import Settings
from t2local.tables.describe import describe
from t2local.tables.dictionary import FeatureDictionary
from t2local.tables.files import from_frame
from t2local.team.conditions import Conditions
from t2local.team.plan import Plan, from_data, plan_of_roles
from t2local.team.team import Team
from tests.strategies import frame_of, values

CONDITIONING = st.sampled_from(["row", "parents"])
LABELS = st.sampled_from(["worker", "calibrated", "classifier"])


@st.composite
def plans(draw, dictionary: FeatureDictionary) -> Plan:
    """Any plan: components of random features, in random order, after random earlier ones."""
    inputs = draw(st.permutations(dictionary.inputs))
    owners = [draw(st.integers(0, 3)) for _ in inputs]
    roles: list[tuple[str, list[str], list[str]]] = []
    for owner in sorted(set(owners)):
        earlier = [role for role, _, _ in roles]
        parents = draw(st.lists(st.sampled_from(earlier), unique=True)) if earlier else []
        features = [name for name, other in zip(inputs, owners, strict=True) if other == owner]
        roles.append((f"Worker {owner}", features, parents))
    return plan_of_roles(roles, dictionary, "data")


@st.composite
def conditions(draw, dictionary: FeatureDictionary) -> Conditions:
    """Any conditions that leave something to write."""
    names = draw(st.lists(st.sampled_from(dictionary.names), unique=True))
    names = names[: len(dictionary.names) - 1]
    restricted = {}
    for name in names:
        feature = dictionary[name]
        value = draw(values(feature.model_copy(update={"missing": False})))
        change = {"minimum": value, "maximum": value}
        if not feature.numeric:
            change = {"type": "category", "levels": (value,)}
        restricted[name] = feature.model_copy(update={**change, "missing": False})
    target = dictionary[dictionary.target]
    free = len(dictionary.names) - len(names)
    shares = {}
    if target.levels and target.name not in names and free > 1 and draw(st.booleans()):
        shares = {level: 1 / len(target.levels) for level in target.levels}
    return Conditions(dictionary.target, restricted, shares)


@st.composite
def tables(draw, dictionary: FeatureDictionary, most: int = 6) -> pd.DataFrame:
    """Some rows of a dictionary; none lacks a label."""
    target = dictionary[dictionary.target].model_copy(update={"missing": False})
    features = [target if f.name == target.name else f for f in dictionary.features]
    n_rows = draw(st.integers(1, most))
    rows = [{f.name: draw(values(f)) for f in features} for _ in range(n_rows)]
    return frame_of(dictionary, rows)


def dictionary_and_values(frame: pd.DataFrame, target: str = "outcome"):
    cells = from_frame(frame).cells
    dictionary = describe(cells, target=target)
    return dictionary, dictionary.values(cells)


def team_of(frame: pd.DataFrame, script=None, *, target="outcome", seed=1, model=None, **settings):
    """A team for a table, its plan from the data; settings as ``labels="worker"``."""
    dictionary, real = dictionary_and_values(frame, target)
    chosen = Settings.load({f"team.{name}": value for name, value in settings.items()})
    plan = from_data(real, dictionary)
    return Team(model or ScriptedModel(script), dictionary, plan, real, chosen, seed)


def accepts(grammar, text: str) -> bool:
    """Whether a grammar of a byte tokenizer accepts a text."""
    tokens = list(text.encode())
    n_forced = len(grammar.forced)
    matcher = grammar.start()
    return (
        tuple(tokens[:n_forced]) == grammar.forced
        and matcher.consume_tokens(tokens[n_forced:])
        and matcher.is_accepting()
    )


def uniform_log_probability(grammar, text: str, tokenizer) -> float:
    """Of a text under a model to which all allowed bytes are alike, byte by byte."""
    masks = Masks(1, tokenizer.vocab_size)
    matcher = grammar.start()
    total = 0.0
    for byte in itertools.islice(text.encode(), len(grammar.forced), None):
        total -= np.log(len(allowed_tokens(masks.fill([matcher])[0])))
        assert matcher.consume_tokens([byte])
    return total


class Stumbling(ScriptedModel):
    """A model whose decodes of these numbers go wrong."""

    def __init__(self, wrong) -> None:
        super().__init__()
        self.wrong = wrong
        self.decodes = 0

    def context(self, cells, sequences):
        context = super().context(cells, sequences)
        decode = context.decode

        def stumble(*arguments, **options):
            self.decodes += 1
            if self.decodes in self.wrong:
                raise DecodeError("llama.cpp could not go on: error -3.", next_step="try again")
            return decode(*arguments, **options)

        context.decode = stumble
        return context
