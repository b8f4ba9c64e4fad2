"""Programs that measure t2local. Each prints a table and writes JSON; none is a test."""
