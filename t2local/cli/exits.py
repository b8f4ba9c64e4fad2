"""How a command ends: errors to exit codes, and a bug without what a cell may have put into it."""

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from types import TracebackType
from typing import Any, NoReturn

import click

from t2local.cli.text import wrapped
from t2local.errors import Interrupted, NothingKept, ResourceError, T2LocalError
from t2local.system import interrupts

EXIT_CODES = """
Exit codes: 0 ok, 1 a bug, 2 usage, 3 input or dictionary, 4 model, 5 no row passed the quality
stages (files are written), 6 out of memory or disk, or a cluster is gone, 130 interrupted (143,
129: by SIGTERM, SIGHUP).
"""


class ErrorGroup(click.Group):
    """Turns errors and signals into a message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; its exit code says how it ended."""
        try:
            with interrupts.stop_signals():
                return super().invoke(ctx)
        except T2LocalError as error:
            _fail(ctx, error)
        except MemoryError:
            message = "There is not enough memory."
            next_step = "write fewer rows side by side: --set decoder.slots=4"
            _fail(ctx, ResourceError(message, next_step=next_step))
        except OSError as error:
            _drop_stdout()
            message = f"{error.filename or 'The output'} cannot be used: {error.strerror or error}."
            next_step = "check the disk, its rights, and where the output goes"
            _fail(ctx, ResourceError(message, next_step=next_step))
        except KeyboardInterrupt:
            message = "Interrupted before the end."
            next_step = "run the same command again: it goes on with what it had written, or says "
            next_step += "that the result is there"
            _fail(ctx, Interrupted(message, next_step=next_step))


def _fail(ctx: click.Context, error: T2LocalError) -> NoReturn:
    # These two are results of a run that went well: there is no fault to trace.
    if ctx.params.get("debug") and not isinstance(error, NothingKept | Interrupted):
        raise error
    with suppress(OSError):  # nobody reads it
        click.echo(wrapped(f"Error: {error}", sys.stderr), err=True)
    code = error.exit_code
    if isinstance(error, Interrupted):
        code = interrupts.exit_code()
    ctx.exit(code)


def _drop_stdout() -> None:
    """What Python could not print it would print once more at its end, with a traceback."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def show_bugs_without_messages() -> None:
    """Have Python show where an unhandled error is, and no message of it: it may hold a cell."""
    sys.excepthook = _show


def _show(_: type[BaseException], error: BaseException, __: TracebackType | None) -> None:
    click.echo("\n".join(error_lines(error)), err=True)


def error_lines(error: BaseException) -> Iterator[str]:
    """An error and, before it, the one that it came from."""
    if cause := error.__cause__ or error.__context__:
        yield from error_lines(cause)
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)).rstrip()
    message = "its message is not shown, as it may hold a cell"
    if isinstance(error, T2LocalError):  # these hold none
        message = str(error)
    yield f"{type(error).__name__}: {message}"
