"""What a model is: files, tokens, grammars, and many sequences in one context. Knows no table.

``store`` finds a file of the ``catalog`` and ``checks`` it -> ``backbone`` loads it and opens a
``context`` -> ``grammar`` says which tokens are allowed -> ``decoder`` writes the rows of all
``requests`` at once, with ``sampling`` for the choice of each token. ``scripted`` stands in for a
backbone where no weights are needed.
"""
