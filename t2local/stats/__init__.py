"""Statistics of small tables.

Below all other rooms: knows no file, no dictionary, no language model.
``columns`` says what this room needs to know of a column. ``encoding`` makes a table a matrix,
``folds`` splits it, ``streams`` gives the random numbers. ``association`` and ``densities`` (with
``kernels``) describe columns; ``ensemble`` and ``learners`` predict labels.
"""
