"""What the parts of a team share: the prompt in the cache, and the decoder."""

import pytest

from t2local.errors import DecodeError
from t2local.llm.requests import Request
from t2local.llm.sampling import RowStream
from t2local.llm.scripted import ScriptedModel
from tests.teams import team_of


def requests(team, n_rows=3):
    return [Request(team.layout.segments, RowStream(1, row=row)) for row in range(n_rows)]


def test_a_prompt_is_decoded_once_and_the_head_is_kept(patients):
    with team_of(patients, examples=5) as team:
        assert team.prompt_sha256 == ""
        first, second = team.prompt.tokens_of_set(0), team.prompt.tokens_of_set(1)
        team.show(first)
        shown = team.prompt_sha256
        assert len(shown) == 64
        assert team.counters.prefix_tokens == len(first)
        team.show(list(first))
        assert team.counters.prefix_tokens == len(first)
        team.show(second)
        assert team.prompt_sha256 != shown
        assert team.counters.prefix_tokens == len(first) + len(second) - len(team.prompt.head)
        team.show(first)
        assert team.prompt_sha256 == shown


class Failing(ScriptedModel):
    """A model whose decodes of rows fail while ``broken`` is set."""

    broken = False

    def context(self, cells, sequences):
        context = super().context(cells, sequences)
        decode = context.decode

        def stumble(*arguments, **options):
            if self.broken:
                raise DecodeError("llama.cpp could not go on: error -3.", next_step="try again")
            return decode(*arguments, **options)

        context.decode = stumble
        return context


def test_after_a_decode_that_goes_wrong_the_prompt_is_decoded_anew(patients):
    model = Failing()
    with team_of(patients, model=model) as team:
        prompt = team.prompt.tokens_of_set(0)
        team.show(prompt)
        model.broken = True
        with pytest.raises(DecodeError):
            list(team.complete(requests(team)))
        assert team.prompt_sha256 == ""
        model.broken = False
        team.show(prompt)
        assert team.counters.prefix_tokens == 2 * len(prompt)
        assert len(list(team.complete(requests(team)))) == 3


def test_a_prompt_that_goes_wrong_is_not_taken_for_shown(patients):
    model = Failing()
    with team_of(patients, model=model) as team:
        team.show(team.prompt.tokens_of_set(0))
        model.broken = True
        with pytest.raises(DecodeError):
            team.show(team.prompt.tokens_of_set(1))
        assert team.prompt_sha256 == ""


def test_the_context_has_room_for_the_rows_side_by_side(patients):
    with team_of(patients) as team:
        longest = team.expected.longest_row
        assert team.slots.value == 32
        assert team.counters.context_tokens >= team.expected.prefix + team.slots.value * longest
        assert team.layout.max_tokens >= longest
        assert team.label_policy == "calibrated"


def test_a_prompt_that_does_not_fit_the_model_is_an_error_at_once(patients):
    with pytest.raises(DecodeError, match="do not fit"):
        team_of(patients, model=ScriptedModel(context_length=700))


def test_the_model_is_free_after_the_team(patients):
    model = ScriptedModel()
    closed = []
    context = model.context

    def watched(cells, sequences):
        opened = context(cells, sequences)
        opened.close = lambda: closed.append(True)
        return opened

    model.context = watched
    with team_of(patients, model=model):
        assert closed == []
    assert closed == [True]
