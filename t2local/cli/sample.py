"""The command that writes a table to try: ``sample``."""

from pathlib import Path

import click

from t2local.cli import options
from t2local.cli.options import write

#: Name to scikit-learn's function and its options. The ages of diabetes are wanted in years;
#: scikit-learn's default is standard deviations.
_SAMPLES: dict[str, tuple[str, dict[str, bool]]] = {
    "iris": ("load_iris", {}),
    "wine": ("load_wine", {}),
    "breast-cancer": ("load_breast_cancer", {}),
    "diabetes": ("load_diabetes", {"scaled": False}),
}


@click.command()
@click.argument("name", type=click.Choice(sorted(_SAMPLES)))
@options.output
def sample(name: str, output: Path | None) -> None:
    """Write a real table to try; it comes with scikit-learn."""
    import sklearn.datasets

    function, choices = _SAMPLES[name]
    bunch = getattr(sklearn.datasets, function)(as_frame=True, **choices)
    frame = bunch.frame
    if hasattr(bunch, "target_names") and len(bunch.target_names):
        frame["target"] = bunch.target_names[frame["target"]]
    write(frame.to_csv(index=False), output)
