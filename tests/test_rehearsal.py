"""What a run would take, from some seconds of writing."""

import math
import time

import pytest

from t2local.llm.scripted import ScriptedModel
from t2local.team.calibration import calibrate, questions
from t2local.team.rehearsal import Rehearsal, rehearse
from tests.teams import team_of


def test_the_seconds_of_a_run_are_those_of_its_tokens():
    rehearsal = Rehearsal(
        rows=400,
        example_sets=4,
        calibration_rows=30,
        calibration_prompts=1,
        prompt=1000,
        stable=200,
        row=25.0,
        prompt_speed=500.0,
        row_speed=100.0,
        context=4096,
        context_bytes=4096,
    )
    # The head once; then 800 tokens of examples for four sets and one prompt of the calibration.
    assert rehearsal.seconds(400) == pytest.approx((200 + 5 * 800) / 500 + 430 * 25 / 100)
    assert rehearsal.seconds(101) == pytest.approx((200 + 3 * 800) / 500 + 131 * 25 / 100)


def test_nobody_is_asked_so_no_prompt_is_counted_for_it():
    rehearsal = Rehearsal(100, 1, 0, 0, 1000, 200, 25.0, 500.0, 100.0, 4096, 4096)
    assert rehearsal.seconds(100) == pytest.approx(1000 / 500 + 100 * 25 / 100)


@pytest.mark.parametrize("wanted", [20, 100])
def test_a_rehearsal_knows_the_sizes_of_what_the_team_will_do(patients, wanted):
    with team_of(patients, examples_for=20) as team:
        start = time.process_time()
        rehearsal = rehearse(team, rows=130, wanted=wanted, seconds=0.2)
        assert time.process_time() - start < 2
        assert (rehearsal.rows, rehearsal.example_sets) == (130, 7)
        assert rehearsal.prompt == len(team.prompt.tokens_of_set(0))
        assert rehearsal.stable == len(team.prompt.head)
        assert rehearsal.row == team.expected.row
        assert rehearsal.context == team.counters.context_tokens
        # The first rows are written after 20 of 60 rows, and the team is asked about the others.
        assert rehearsal.calibration_rows == max(30, min(40, wanted))
        assert rehearsal.calibration_prompts == 0
        assert rehearsal.prompt_speed > 0
        assert rehearsal.row_speed > 0
        assert rehearsal.seconds(130) > rehearsal.seconds(10) > 0


def test_what_is_rehearsed_changes_no_row_that_is_written(patients):
    from t2local.team.calibration import uncalibrated
    from t2local.team.writer import BlockRequest, RowWriter

    written = []
    for seconds in (0.0, 0.1):
        with team_of(patients, labels="worker") as team:
            if seconds:
                rehearse(team, 10, 10, seconds)
            written.append(RowWriter(team, uncalibrated(team)).write(BlockRequest(0, 10, 0)).rows)
    assert written[0].equals(written[1])


def test_the_speed_of_a_slow_model_is_measured_in_time(patients):
    class Slow(ScriptedModel):
        def context(self, cells, sequences):
            context = super().context(cells, sequences)
            decode = context.decode

            def wait(tokens, *arguments, **options):
                time.sleep(len(tokens) / 10_000)  # 10,000 tokens a second at most
                return decode(tokens, *arguments, **options)

            context.decode = wait
            return context

    with team_of(patients, model=Slow(), labels="worker") as team:
        rehearsal = rehearse(team, 100, 100, seconds=0.4)
    assert rehearsal.prompt_speed < 10_000
    assert rehearsal.row_speed < 10_000
    assert math.isfinite(rehearsal.seconds(100))


def test_a_calibration_asks_about_as_many_rows_as_were_rehearsed(patients):
    with team_of(patients.head(25), examples=5, labels="worker") as team:
        n_rows = sum(len(question.values) for question in questions(team))
        cells = calibrate(team).cells
    assert cells is not None
    assert len(cells.worker) == n_rows == 25
