"""A step of an image's build that fails says why in one line."""

from __future__ import annotations

import pytest

from lab.machines.steps import telling

DPKG = """Setting up haproxy (2.6.12) ...
dpkg: error processing package haproxy (--configure):
 installed haproxy package post-installation script subprocess returned error exit status 1
Processing triggers for libc-bin (2.36) ...
"""
TOLD = (
    "dpkg: error processing package haproxy (--configure): "
    "installed haproxy package post-installation script subprocess returned error exit status 1"
)
APT = "Errors were encountered while processing:\n haproxy\nE: Sub-process /usr/bin/dpkg returned an error code (1)\n"
FULL = "dpkg: error processing archive a.deb (--unpack):\n cannot copy 'a': failed to write (No space left on device)\n"


@pytest.mark.parametrize(
    ("stdout", "stderr", "told"),
    [
        (
            DPKG,
            APT,
            TOLD,
        ),
        (
            "Reading package lists...\n",
            "E: Unable to locate package farshore\n",
            "E: Unable to locate package farshore",
        ),
        (FULL, APT, "cannot copy 'a': failed to write (No space left on device)"),
        ("copied 3 files\n", "cp: cannot stat 'x'\n", "cp: cannot stat 'x'"),
        ("half done\n", "", "half done"),
        ("", "\n", "no output"),
    ],
)
def test_the_line_that_tells_most_is_told(stdout: str, stderr: str, told: str) -> None:
    """Not the last line of what went well, nor apt's word that dpkg failed where dpkg says why."""
    assert telling(stdout, stderr) == told
