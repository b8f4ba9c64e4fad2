"""The functions for programs and notebooks, as `t2local.cli` has the commands for a terminal.

They are those of the rooms below, with their arguments checked and their errors in Python's words.
"""

from t2local import fitted, pipeline
from t2local.evaluate import report
from t2local.run import saved_result
from t2local.system.arguments import checked
from t2local.trim import plugin

describe = checked(pipeline.describe)
evaluate = checked(report.evaluate)
fit = checked(fitted.fit)
generate = checked(pipeline.generate)
load = checked(saved_result.load)
load_team = checked(fitted.load_team)
plan = checked(pipeline.plan)
trim = checked(plugin.trim)
