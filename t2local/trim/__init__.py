"""What is kept: quality stages over batches of rows, on the CPU, for the rows of any generator.

Knows no language model. The function `t2local.trim` is in `t2local.trim.plugin`.
"""
