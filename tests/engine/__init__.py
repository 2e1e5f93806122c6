"""Tests of `lab.engine`: its pure rooms by values, the whole by running programs."""
