"""What all commands have in common: how they end."""

import os
import sys
from contextlib import suppress
from typing import Any, NoReturn

import click

from t2local.errors import Interrupted, NothingKept, ResourceError, T2LocalError
from t2local.system import interrupts


class Group(click.Group):
    """Turns errors and signals into a message on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command."""
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
            message = "Interrupted before there was a result; nothing was delivered."
            next_step = "run the same command again: it goes on with what it had written"
            _fail(ctx, Interrupted(message, next_step=next_step))


def _fail(ctx: click.Context, error: T2LocalError) -> NoReturn:
    # These two are results of a run that went well: there is no fault to trace.
    if ctx.params.get("debug") and not isinstance(error, NothingKept | Interrupted):
        raise error
    with suppress(OSError):  # nobody reads it
        click.echo(f"Error: {error}", err=True)
    code = error.exit_code
    if isinstance(error, Interrupted):
        code = interrupts.exit_code()
    ctx.exit(code)


def _drop_stdout() -> None:
    """What Python could not print it would print once more at its end, with a traceback."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
