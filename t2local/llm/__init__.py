"""What a model is: files, tokens, grammars, and many sequences in one context. Knows no table.

``catalog`` finds and checks a file -> ``backbone`` loads it -> ``grammar`` says which tokens are allowed
-> ``decoder`` writes many sequences at once, with ``sampling`` for the choice of each token.
``scripted`` stands in for a backbone where no weights are wanted.
"""
