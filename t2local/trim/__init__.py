"""What is kept: quality stages over a source or batches of it, for the rows of any generator.

Knows no language model. The function `t2local.trim` is in `t2local.trim.plugin`.
"""
