"""What a table is: files, dictionaries, types. Knows pandas; knows no model."""
