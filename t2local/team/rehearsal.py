"""What writing rows will take, from a few seconds of writing: ``generate --dry-run``."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

from t2local.llm.requests import Request
from t2local.llm.sampling import RowStream
from t2local.stats.streams import Stream
from t2local.team.calibration import questions
from t2local.team.team import Team

#: Rows are written in two rounds of these shares of the time, and the second is measured: the first
#: steps are slower than all others, because parts of the grammars are compiled when they are met.
_WARM_UP = 0.3
_MEASURED = 0.7
#: More rows than anybody writes in some seconds.
_ENOUGH_ROWS = 10_000
#: Tokens of a prompt that are decoded first; as many more again, until the time is spent.
_FIRST_TOKENS = 32


@dataclass(frozen=True)
class Rehearsal:
    """What writing rows will take.

    **Parameters:**

    * **rows**: how many are to be written; **example_sets**: of how many sets of examples.
    * **calibration_rows**: real rows that the team is asked about first; **calibration_prompts**:
      those of them that no row is written after.
    * **prompt**: tokens of a prompt, of which **stable** are decoded once a run, and the others
      once for each set of examples and each prompt of the calibration.
    * **row**: tokens of a row, on average.
    * **prompt_speed**, **row_speed**: tokens per second, measured.
    * **context**, **context_bytes**: size of the context in tokens and in bytes.
    """

    rows: int
    example_sets: int
    calibration_rows: int
    calibration_prompts: int
    prompt: int
    stable: int
    row: float
    prompt_speed: float
    row_speed: float
    context: int
    context_bytes: int

    def seconds(self, rows: int) -> float:
        """Seconds of writing some of the rows, the calibration included."""
        n_prompts = math.ceil(self.example_sets * rows / self.rows) + self.calibration_prompts
        prompt_tokens = self.stable + n_prompts * (self.prompt - self.stable)
        row_tokens = (rows + self.calibration_rows) * self.row
        return prompt_tokens / self.prompt_speed + row_tokens / self.row_speed


def rehearse(team: Team, rows: int, wanted: int, seconds: float = 2.0) -> Rehearsal:
    """Measure the speed for some seconds, half of them with the prompt and half with rows.

    The rows are thrown away.

    **Parameters:**

    * **rows**: how many are written at most; **wanted**: how many are kept.
    """
    prompt = team.prompt.tokens_of_set(0)
    prompt_speed = _prompt_speed(team, prompt, seconds / 2)
    _row_speed(team, _WARM_UP * seconds / 2)
    row_speed = _row_speed(team, _MEASURED * seconds / 2)
    of_calibration = questions(team, wanted)
    return Rehearsal(
        rows=rows,
        example_sets=math.ceil(rows / team.settings.examples_for),
        calibration_rows=sum(len(question.values) for question in of_calibration),
        calibration_prompts=sum(question.prompt != prompt for question in of_calibration),
        prompt=len(prompt),
        stable=team.prompt.shared_tokens(prompt),
        row=team.expected.row,
        prompt_speed=prompt_speed,
        row_speed=row_speed,
        context=team.counters.context_tokens,
        context_bytes=team.counters.context_bytes,
    )


def _prompt_speed(team: Team, prompt: Sequence[int], seconds: float) -> float:
    """Tokens per second of the beginning of a prompt, as much of it as there is time for."""
    start = time.perf_counter()
    size = _FIRST_TOKENS
    while True:
        before = time.perf_counter()
        team.prefill(prompt[:size])
        now = time.perf_counter()
        if size >= len(prompt) or now - start > seconds:
            return min(size, len(prompt)) / (now - before)
        size *= 2


def _row_speed(team: Team, seconds: float) -> float:
    """Tokens per second of rows that are written side by side."""
    requests = [
        Request(team.layout.segments, RowStream(team.seed, row=row, stream=Stream.REHEARSAL_TOKENS))
        for row in range(_ENOUGH_ROWS)
    ]
    start = time.perf_counter()
    before = team.counters.row_tokens
    list(team.complete(requests, until=start + seconds))
    return (team.counters.row_tokens - before) / (time.perf_counter() - start)
