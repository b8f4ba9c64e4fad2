"""What is kept: three stages over batches of rows, on the CPU, for the rows of any generator. Knows no model of language."""
