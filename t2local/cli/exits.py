"""How a command ends: errors to exit codes, and a bug without what a cell may have put into it."""

import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any, NoReturn

import click

from t2local.errors import Interrupted, NothingKept, ResourceError, T2LocalError

EXIT_CODES = """
Exit codes: 0 ok, 1 a bug, 2 usage, 3 input or dictionary, 4 model, 5 no row passed the quality
stages (files are written), 6 out of memory or disk, 130 interrupted.
"""


class ErrorGroup(click.Group):
    """Turns errors into a message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; its exit code says how it ended."""
        try:
            return super().invoke(ctx)
        except T2LocalError as error:
            _fail(ctx, error)
        except MemoryError:
            message = "There is not enough memory."
            next_step = "write fewer rows side by side: --set decoder.slots=4"
            _fail(ctx, ResourceError(message, next_step=next_step))
        except KeyboardInterrupt:
            message = "Interrupted before any row was written; nothing was written."
            _fail(ctx, Interrupted(message, next_step="run the same command again"))


def _fail(ctx: click.Context, error: T2LocalError) -> NoReturn:
    # These two are results of a run that went well: there is no fault to trace.
    if ctx.params.get("debug") and not isinstance(error, NothingKept | Interrupted):
        raise error
    click.echo(f"Error: {error}", err=True)
    ctx.exit(error.exit_code)


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
