"""The manager's plan: valid by its grammar, asked for again when it is not complete."""

import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from t2local.errors import DecodeError, ModelError
from t2local.llm.grammar import Grammar, byte_tokenizer
from t2local.llm.scripted import ScriptedModel
from t2local.team.manager import max_plan_bytes, parse_plan, plan_schema, propose
from tests.strategies import dictionaries, random_text
from tests.teams import dictionary_and_values


@settings(max_examples=40, deadline=None)
@given(dictionary=dictionaries(most=12), seed=st.integers(0, 2**32 - 1))
def test_every_plan_that_the_grammar_accepts_is_a_partition_and_acyclic(dictionary, seed):
    tokenizer = byte_tokenizer()
    grammar = Grammar(plan_schema(len(dictionary.inputs)), tokenizer)
    text = random_text(
        grammar, tokenizer, np.random.default_rng(seed), max_plan_bytes(len(dictionary.inputs))
    )
    plan = parse_plan(json.loads(text), dictionary)
    assert plan.check(dictionary) == []
    assert plan.line()[-1].features == (dictionary.target,)


def test_the_manager_reads_the_dictionary_and_three_rows_and_its_plan_is_followed(patients):
    known, real = dictionary_and_values(patients)
    wish = (
        '{"roles":["Who","Measured"],"features":{"1":1,"2":2,"3":1,"4":2,"5":2},"depends":[[],[1]]}'
    )
    model = ScriptedModel(
        lambda text: wish.encode()[len(text.partition(b"Some rows:")[2].partition(b"Plan:\n")[2]) :]
    )
    plan = propose(real, known, model, seed=1).plan
    assert [(c.role, c.features, c.parents) for c in plan.components[:2]] == [
        ("Who", ("age", "sex"), ()),
        ("Measured", ("weight", "smoker", "ward"), ("Who",)),
    ]
    assert plan.source == "manager"
    (prompt,) = model.prompts
    assert '5 ward ("A, left" or "B \\"new\\"" or "C")' in prompt
    assert "Goal: outcome" in prompt


def test_names_that_are_said_twice_are_made_unique_and_empty_roles_dropped(patients):
    dictionary, _ = dictionary_and_values(patients)
    written = {
        "roles": ["Who", "Who", "Nobody"],
        "features": {"1": 1, "2": 2, "3": 1, "4": 2, "5": 2},
        "depends": [[], [1, 1], [2]],
    }
    plan = parse_plan(written, dictionary)
    assert [(c.role, c.features, c.parents) for c in plan.components] == [
        ("Who", ("age", "sex"), ()),
        ("Who 2", ("weight", "smoker", "ward"), ("Who",)),
        ("Label", ("outcome",), ("Who", "Who 2")),
    ]
    assert plan.source == "manager"


def test_a_parent_without_features_is_no_parent(patients):
    dictionary, _ = dictionary_and_values(patients)
    written = {
        "roles": ["Empty", "All"],
        "features": {str(number): 2 for number in range(1, 6)},
        "depends": [[], [1]],
    }
    assert [c.parents for c in parse_plan(written, dictionary).components] == [(), ("All",)]


def test_the_cost_of_a_plan_is_counted(patients):
    dictionary, real = dictionary_and_values(patients)
    model = ScriptedModel()
    proposed = propose(real, dictionary, model, seed=1)
    counters = proposed.counters
    assert proposed.plan.check(dictionary) == []
    assert counters.prefix_tokens == len(model.prompts[0].encode()) - 1
    assert counters.row_tokens > 50
    assert propose(real, dictionary, model, seed=1).plan == proposed.plan
    assert propose(real, dictionary, model, seed=2).plan != proposed.plan


def test_without_rows_the_manager_reads_statistics(patients):
    dictionary, real = dictionary_and_values(patients)
    model = ScriptedModel()
    propose(real, dictionary, model, seed=1, show=False)
    (prompt,) = model.prompts
    table = prompt.partition("Goal: outcome")[2]
    assert "mean" in table
    assert "Some rows:" not in table


def test_a_prompt_that_does_not_fit_is_an_error(patients):
    dictionary, real = dictionary_and_values(patients)
    with pytest.raises(DecodeError, match="do not fit"):
        propose(real, dictionary, ScriptedModel(context_length=300), seed=1)


THOUGHT = b"Age and sex go together."
END = "\n</think>\n\n"


def thinker(thought: bytes) -> ScriptedModel:
    """A manager that would think a thought, and then write a plan."""
    plan = (
        b'{"roles":["Who","Measured"],"features":{"1":1,"2":1,"3":2,"4":2,"5":2},"depends":[[],[]]}'
    )

    def wish(text: bytes) -> bytes:
        written = text.partition(b"Some rows:")[2].partition(b"Plan:\n")[2]
        _, end, answer = written.partition(END.encode())
        return plan[len(answer) :] if end else thought[len(written) :]

    return ScriptedModel(wish, thought_end=END)


@pytest.mark.parametrize(
    ("thought", "length"),
    [
        (THOUGHT + END.encode(), len(THOUGHT)),
        (THOUGHT + b"</think>{", len(THOUGHT)),  # other white space than the format's
        (THOUGHT * 9, 40),
    ],
)
def test_the_manager_thinks_up_to_the_budget_and_then_writes_its_plan(patients, thought, length):
    dictionary, real = dictionary_and_values(patients)
    proposed = propose(real, dictionary, thinker(thought), seed=1, thinking_tokens=40)
    assert proposed.thought_tokens == length
    assert [c.features for c in proposed.plan.components[:2]] == [
        ("age", "weight"),
        ("sex", "smoker", "ward"),
    ]


def test_a_manager_does_not_think_unless_it_is_asked_to(patients):
    dictionary, real = dictionary_and_values(patients)
    proposed = propose(real, dictionary, thinker(THOUGHT), seed=1)
    assert proposed.thought_tokens == 0


def test_a_manager_that_cannot_think_is_not_asked(patients):
    dictionary, real = dictionary_and_values(patients)
    model = ScriptedModel(lambda text: pytest.fail("it was asked"))
    with pytest.raises(ModelError, match=r"no place .* team.thinking_tokens is 500") as caught:
        propose(real, dictionary, model, seed=1, thinking_tokens=500)
    assert "team.thinking_tokens=0" in caught.value.next_step


def test_a_thought_that_does_not_fit_is_refused_with_the_longest_that_does(patients):
    dictionary, real = dictionary_and_values(patients)

    def plan(thinking_tokens):
        model = ScriptedModel(context_length=3000, thought_end=END)
        return propose(real, dictionary, model, seed=1, thinking_tokens=thinking_tokens)

    with pytest.raises(DecodeError, match="A thought of up to 5000 tokens does not fit") as caught:
        plan(5000)
    longest = int(re.search(r"thinking_tokens=(\d+)", caught.value.next_step)[1])
    assert longest > 100
    assert plan(longest).plan.source == "manager"
    with pytest.raises(DecodeError, match="does not fit"):
        plan(longest + 1)


class Refusing(ScriptedModel):
    """A model whose every decode goes wrong."""

    def context(self, cells, sequences):
        context = super().context(cells, sequences)

        def refuse(*arguments, **options):
            raise DecodeError("llama.cpp could not go on: error -3.", next_step="try again")

        context.decode = refuse
        return context


def test_a_decode_that_goes_wrong_is_said(patients):
    dictionary, real = dictionary_and_values(patients)
    with pytest.raises(DecodeError, match="error -3"):
        propose(real, dictionary, Refusing(), seed=1)
