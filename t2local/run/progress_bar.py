"""The bar of a run in a notebook, or in the terminal of a program in Python: that of tqdm."""

from collections.abc import Iterator
from contextlib import contextmanager

from t2local.events import Event, Listener, Phase, Progress


@contextmanager
def listening(listener: Listener, *, progress: bool) -> Iterator[Listener]:
    """The listener; with ``progress`` a bar of the rows that are kept listens, too.

    The bar is a widget in a notebook that can show one, else a line on stderr.
    """
    if not progress:
        yield listener
        return
    from tqdm.auto import tqdm  # it looks for a notebook

    with tqdm(unit="row") as bar:

        def show(event: Event) -> None:
            if isinstance(event, Phase):
                bar.set_description(event.words)
            elif isinstance(event, Progress):
                bar.total = event.wanted
                bar.set_postfix(written=event.written, refresh=False)
                bar.update(event.kept - bar.n)
            listener(event)

        yield show
