"""How good synthetic rows are: utility for a model, fidelity, and privacy.

``utility``, ``fidelity`` and ``plausibility`` have the metrics, each with its name, direction and
bounds; ``report`` puts every value beside a reference. ``privacy_report`` has the attacks. Knows no
language model: the rows may come from anywhere. The function `t2local.evaluate` is in
`t2local.evaluate.report`.
"""
