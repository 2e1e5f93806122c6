"""Hetzner's Cloud API for the lab: a pure state machine and a thin HTTP server before it."""
