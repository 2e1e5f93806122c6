"""The `farshore` command: imports anything, imported by nothing."""
