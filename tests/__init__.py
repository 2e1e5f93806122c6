"""Facts about Farshore, each with its negative twin."""
