"""Debian machines from one image."""
