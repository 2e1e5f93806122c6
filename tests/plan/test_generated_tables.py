"""The firewall of any sound stack file is taken by nft(8) against a kernel, in a network namespace of its own."""

from __future__ import annotations

import subprocess
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings

from cloud_init import render_bundle
from tests.plan.generated import Config, sound_configs
from tests.plan.test_generated import MATERIAL, planned

pytestmark = pytest.mark.lab

FEW: Final = settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
MANY: Final = settings(FEW, max_examples=1000)


def nft(table: str) -> subprocess.CompletedProcess[str]:
    """Let the parser read a table, without loading it."""
    return subprocess.run(
        ["unshare", "--net", "nft", "-c", "-f", "-"],
        input=table,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def taken(config: Config) -> None:
    """Each host's table, and the closed one that comes before it, is read without a word."""
    for host in planned(config).hosts:
        tables = [file for file in render_bundle(host, MATERIAL).files if file.path.endswith(".nft")]
        assert tables
        for file in tables:
            done = nft(file.content)
            assert (done.returncode, done.stderr) == (0, ""), (host.name, file.path, done.stderr)


def test_nft_takes_any_table() -> None:
    """A few in every run, a thousand stack files in `make test-long`."""
    FEW(given(sound_configs())(taken))()


@pytest.mark.long
def test_nft_takes_a_thousand_tables() -> None:
    """The same, long enough to meet what is rare."""
    MANY(given(sound_configs())(taken))()


def test_nft_refuses_what_is_broken() -> None:
    """The twin: two verdicts in one rule, and a set whose elements overlap."""
    assert "syntax error" in nft("table inet x { chain y { accept drop } }").stderr
    overlap = (
        "table inet x {\n set y { type ipv4_addr; flags interval; elements = { 192.0.2.0/24, 192.0.2.128/25 }; }\n}\n"
    )
    assert "conflicting intervals" in nft(overlap).stderr
