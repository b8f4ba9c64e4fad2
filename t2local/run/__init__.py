"""One run: what went in, what was decided, what was counted, and what is delivered."""
