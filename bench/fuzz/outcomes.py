"""What became of an input, under a limit of time; and the smallest input that fails likewise."""

import csv
import io
import signal
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fuzz.checks import KINDS, ORDER, Fault
from bench.fuzz.inputs import SECRET
from bench.streams import Stream, generator
from t2local.errors import T2LocalError

#: Seconds of the processor for one input, as a busy machine makes no hang: no input here is larger
#: than some kilobytes.
LIMIT = 10.0
#: Tries to make a failing input smaller.
TRIES = 300


class Hang(BaseException):
    """An input took longer than `LIMIT`; no handler of errors takes it for one."""


@dataclass(frozen=True)
class Outcome:
    """An input, how it ended (``result``, or the name of an error), and what is wrong with that."""

    kind: str
    content: bytes
    end: str
    fault: str
    seconds: float


def outcome_of(seed: int, number: int) -> Outcome:
    """What becomes of an input of a seed, by its number."""
    kind = ORDER[number % len(ORDER)]
    rng = generator(seed, Stream.FUZZ, list(KINDS).index(kind), number)
    return tried(kind, KINDS[kind].draw(rng))


def tried(kind: str, content: bytes) -> Outcome:
    """What becomes of this input."""
    start = time.process_time()
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder, warnings.catch_warnings():
        warnings.simplefilter("error")  # nobody should see one of pandas' or Python's
        path = Path(folder) / KINDS[kind].file
        path.write_bytes(content)
        end, fault = _ended(kind, path, content)
    return Outcome(kind, content, end, fault, time.process_time() - start)


def _ended(kind: str, path: Path, content: bytes) -> tuple[str, str]:
    try:
        with limit(LIMIT):
            KINDS[kind].check(path)
    except T2LocalError as error:
        return type(error).__name__, told(kind, error, content)
    except Fault as fault:
        return "result", f"{kind}: {fault}"
    except (Hang, Exception) as error:  # noqa: BLE001 -- whatever it is, it is what is looked for
        return type(error).__name__, f"{kind}: {type(error).__name__} in {innermost(error)}"
    return "result", ""


def told(kind: str, error: T2LocalError, content: bytes) -> str:
    """What is wrong with an error: it says too much, or not what to do."""
    text = str(error)
    if SECRET in text and kind != "plan" and SECRET not in first_record(content):
        return f"{kind}: a cell in an error of {innermost(error)}"
    if not error.next_step:
        return f"{kind}: an error without a next step in {innermost(error)}"
    return ""


def first_record(content: bytes) -> str:
    """The header, which may be named, also one of several lines in quotes."""
    text = content.replace(b"\0", b"").decode("latin-1").lstrip()
    try:
        return " ".join(next(csv.reader(io.StringIO(text, newline="")), []))
    except csv.Error:
        return text.partition("\n")[0]


def innermost(error: BaseException) -> str:
    """The innermost place in t2local or here, without the line, which changes."""
    frames = traceback.extract_tb(error.__traceback__)
    frame = [
        frame
        for frame in frames
        if "/lib/python" not in frame.filename and frame.name != limit_reached.__name__
    ][-1]
    return f"{Path(frame.filename).name}, {frame.name}"


def limit_reached(*_: object) -> None:
    raise Hang


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """**Raises** `Hang` where the block takes longer."""
    before = signal.signal(signal.SIGPROF, limit_reached)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def shrunk(outcome: Outcome) -> Outcome:
    """A smaller input with the same fault: pieces are taken out as long as it stays."""
    smallest, tries = outcome, 0
    size = len(outcome.content) // 2
    while size and tries < TRIES and outcome.seconds < 1:
        start = 0
        while start < len(smallest.content) and tries < TRIES:
            content = smallest.content[:start] + smallest.content[start + size :]
            tries += 1
            if (smaller := tried(outcome.kind, content)).fault == outcome.fault:
                smallest = smaller
            else:
                start += size
        size //= 2
    return smallest
