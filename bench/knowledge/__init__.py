"""The planted-knowledge bench (issue H): an oracle that knows a table in the place of the model.

python -m bench.knowledge.check --out bench/knowledge/results/tables.json
"""
