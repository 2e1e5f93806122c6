"""The simulated internet."""
