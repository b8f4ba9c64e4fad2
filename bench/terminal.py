"""What a person sees of a run in a terminal: when, how often, and how true the time that is left.

    python -m bench.terminal heart_failure.csv --rows 60 --runs 5

Reads the pseudo-terminal of ``t2local generate``: seconds to the first sign of life, to the first
sentence and to the first movement of the bar; the longest time without a change; the total that
the bar's guess implies when a tenth of the time has gone, over the true total. Appends to
results/terminal.jsonl. Development seeds.
"""

import argparse
import itertools
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import asdict, dataclass
from fcntl import ioctl
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "terminal.jsonl"
_LEFT = re.compile(r"about (?:(\d+) h )?(?:(\d+) min )?(?:(\d+) s )?left")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TENTH = 0.1


@dataclass(frozen=True)
class Sight:
    """What was seen, in seconds since the start; ``estimate_error``: a factor, 1 is exact."""

    first_sign: float
    first_sentence: float
    first_movement: float
    longest_silence: float
    total: float
    estimate_error: float
    exit_code: int


def watch(command: list[str], folder: Path) -> Sight:
    """Run a command in a terminal of 80 columns, and note what appears when."""
    terminal, other_end = pty.openpty()
    ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 80, 0, 0))
    start = time.monotonic()
    process = subprocess.Popen(
        command, cwd=folder, stdout=other_end, stderr=other_end, env={**os.environ, "TERM": "xterm"}
    )
    os.close(other_end)
    seen: list[tuple[float, str]] = []
    while True:
        if select.select([terminal], [], [], 0.05)[0]:
            try:
                data = os.read(terminal, 1 << 16)
            except OSError:  # its other end is closed
                break
            if not data:
                break
            seen.append((time.monotonic() - start, data.decode(errors="replace")))
    os.close(terminal)
    return _sight(seen, time.monotonic() - start, process.wait())


def _sight(seen: list[tuple[float, str]], total: float, exit_code: int) -> Sight:
    times = [0.0, *(second for second, _ in seen), total]
    sentences = [second for second, text in seen if "read: " in text or "note: " in text]
    left = [(second, guess) for second, text in seen for guess in _guesses(text)]
    return Sight(
        first_sign=round(times[1], 1),
        first_sentence=round(min(sentences, default=total), 1),
        first_movement=round(min((second for second, _ in left), default=total), 1),
        longest_silence=round(max(b - a for a, b in itertools.pairwise(times)), 1),
        total=round(total, 1),
        estimate_error=round(_error(left, total), 2),
        exit_code=exit_code,
    )


def _guesses(text: str) -> list[float]:
    """Seconds left, as they stand in what was written."""
    plain = _ESCAPES.sub("", text)
    return [
        3600 * float(hours or 0) + 60 * float(minutes or 0) + float(seconds or 0)
        for hours, minutes, seconds in _LEFT.findall(plain)
    ]


def _error(left: list[tuple[float, float]], total: float) -> float:
    """By which factor the first guess after a tenth of the time misses the total."""
    guesses = [second + guess for second, guess in left if second >= _TENTH * total]
    if not guesses:
        return float("nan")
    return max(guesses[0] / total, total / guesses[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--model", default="starter")
    options = parser.parse_args()
    for seed in range(1, options.runs + 1):
        out = options.data.with_suffix(f".terminal{seed}")
        command = [
            sys.executable, "-m", "t2local", "generate", str(options.data.resolve()),
            "--rows", str(options.rows), "--seed", str(seed), "--model", options.model,
            "--out", str(out.resolve()), "--replace",
        ]  # fmt: skip
        sight = watch(command, options.data.resolve().parent)
        line = {"data": options.data.name, "rows": options.rows, "seed": seed, **asdict(sight)}
        print(json.dumps(line), flush=True)
        with RESULTS.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
