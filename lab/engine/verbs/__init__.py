"""The command line's verbs, each loaded when it is called for."""
