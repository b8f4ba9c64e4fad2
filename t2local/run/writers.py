"""Who writes the rows of a run: the team here, or teams of its kind on the workers of a cluster."""

from t2local.run.inputs import Inputs, Run
from t2local.run.resumption import ResumableWriter
from t2local.team.calibration import Calibration
from t2local.team.plan import Plan
from t2local.team.team import Team
from t2local.team.writer import RowWriter, Writer


def writer_of(
    run: Run, inputs: Inputs, plan: Plan, team: Team, calibration: Calibration
) -> ResumableWriter:
    """The writer of a run; each of its blocks is kept."""
    writer: Writer = RowWriter(team, calibration, run.seed)
    if run.client is not None:
        from t2local.run.cluster import ClusterWriter

        writer = ClusterWriter(run, inputs, plan, team)
    return ResumableWriter(writer, run, inputs.dictionary, team.counters)
