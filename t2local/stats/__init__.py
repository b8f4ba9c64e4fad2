"""Statistics of small tables. Below all other rooms: knows no file, no dictionary, no language model."""
