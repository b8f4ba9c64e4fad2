"""The real tables of the bench, each with what becomes of its columns."""
