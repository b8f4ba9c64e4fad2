"""Who judges the batches of a run."""

from t2local.run.inputs import Inputs, Run
from t2local.trim.inspector import Inspector


def inspector_for(run: Run, inputs: Inputs) -> Inspector:
    """The quality stages, with the real rows weighted as the wanted ones."""
    return Inspector(
        inputs.values,
        inputs.dictionary,
        run.settings.trim,
        run.seed,
        inputs.row_weights(),
        inputs.conditions.matches_conditions(inputs.values),
    )
