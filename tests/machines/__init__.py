"""Debian machines, the image they boot from, and the process that runs them."""
