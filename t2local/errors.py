"""Everything that can go wrong, as one tree, with the exit code of the command line:

* T2LocalError          1    any other failure
  * UsageError          2    a flag, a setting or a folder that cannot be used as asked
    * ArgumentError     2    an argument of a function in Python that is not of its type
  * InputError          3    a table that cannot be read or used
    * DictionaryError   3    a feature dictionary with faults
    * PlanError         3    a plan with faults
    * KnowledgeError    3    a file of beliefs with faults
  * ModelError          4    a model file that is missing, altered, or not usable
    * DecodeError       4    llama.cpp or a grammar failed while rows were written
  * NothingKept         5    the run is complete, its files are written, no row passed
  * ResourceError       6    out of memory or disk, or a cluster is gone
  * NetworkRefused      1    a library tried to use the network, and was stopped
  * Interrupted         130  Ctrl-C; what was there is written (143, 129: SIGTERM, SIGHUP)

Each error says what happened, lists every fault that was found, and ends with the next command to
try. No message ever holds the value of a cell.
"""

from collections.abc import Sequence

#: A file with thousands of bad cells must not make thousands of lines in a terminal.
_FAULTS_SHOWN = 20


class T2LocalError(Exception):
    """What happened, where, and what to do next. Its text has one line for each of these.

    **Parameters:**

    * **message**: what happened, in one sentence.
    * **next_step**: the command to try, or the thing to change.
    * **faults**: every fault found, each with its place.
    """

    exit_code = 1

    def __init__(self, message: str, *, next_step: str, faults: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.faults = tuple(faults)

    def __str__(self) -> str:
        lines = [self.message, *(f"  - {fault}" for fault in self.faults[:_FAULTS_SHOWN])]
        if len(self.faults) > _FAULTS_SHOWN:
            lines.append(f"  - and {len(self.faults) - _FAULTS_SHOWN} more")
        return "\n".join([*lines, f"Next: {self.next_step}"])


class UsageError(T2LocalError, ValueError):
    """A flag, a setting or a folder that cannot be used as asked."""

    exit_code = 2


class ArgumentError(UsageError, TypeError):
    """An argument of a function in Python that it does not have, or that is not of its type."""


class InputError(T2LocalError):
    """A table that cannot be read or used."""

    exit_code = 3


class DictionaryError(InputError):
    """A feature dictionary with faults; all of them are listed."""


class PlanError(InputError):
    """A plan with faults; all of them are listed."""


class KnowledgeError(InputError):
    """A file of beliefs with faults; all of them are listed."""


class ModelError(T2LocalError):
    """A model file that is missing, altered, or not usable."""

    exit_code = 4


class DecodeError(ModelError):
    """llama.cpp or a grammar failed while rows were written."""


class NothingKept(T2LocalError):
    """The run is complete and its files are written, but no row passed the quality stages."""

    exit_code = 5


class ResourceError(T2LocalError):
    """Out of memory or disk, or a cluster is gone."""

    exit_code = 6


class NetworkRefused(T2LocalError):
    """A library tried to use the network, and was stopped: a bug."""


class Interrupted(T2LocalError):
    """Ctrl-C, or another signal that asks to stop: what was there is written."""

    #: What shells use: 128 and the number of SIGINT. The command line ends with that of the signal.
    exit_code = 130
