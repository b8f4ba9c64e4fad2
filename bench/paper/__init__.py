"""The paper's studies, run here with local models, beside the baselines that it left out (issue 7).

python -m bench.paper run --study imbalance --seeds 0-9
"""
