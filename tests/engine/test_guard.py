"""The engine deploys to a lab and to nothing else."""

from __future__ import annotations

import pytest

from lab.engine.guard import check_lab_only, is_loopback
from lab.engine.provider import ProviderError
from lab.engine.values import Secret

HCLOUD = "urn:pulumi:dev::shop::pulumi:providers:hcloud::edge"


@pytest.fixture(autouse=True)
def _no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HCLOUD_ENDPOINT", raising=False)


@pytest.mark.parametrize(
    "endpoint", ["http://127.0.0.1:8080/v1", "http://127.9.9.9", "http://[::1]:1/v1", "http://u:p@127.0.0.1/"]
)
def test_plain_http_on_a_loopback_address_is_a_lab(endpoint: str) -> None:
    """Any address of 127.0.0.0/8, and ::1."""
    check_lab_only(HCLOUD, {"endpoint": endpoint})


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://api.hetzner.cloud/v1",
        "https://127.0.0.1/v1",
        "http://203.0.113.1/v1",
        "http://localhost/v1",
        "http://127.0.0.1.example.com/v1",
        "http://127.0.0.1@example.com/v1",
        "http://0.0.0.0/v1",
        "127.0.0.1:80",
        "ftp://127.0.0.1/",
        "http://[::1/",
    ],
)
def test_anything_else_is_refused(endpoint: str) -> None:
    """Names too: what they stand for can be changed by others."""
    assert not is_loopback(endpoint)
    with pytest.raises(ProviderError, match=r"^provider edge: endpoint .*, allowed: a lab's API on a loopback"):
        check_lab_only(HCLOUD, {"endpoint": endpoint})


def test_without_an_endpoint_the_default_is_the_real_cloud() -> None:
    """The message is whole, and names it."""
    with pytest.raises(ProviderError) as refused:
        check_lab_only(HCLOUD, {"token": Secret("t")})
    assert str(refused.value) == (
        "provider edge: endpoint https://api.hetzner.cloud/v1, allowed: a lab's API on a loopback address; "
        "use Pulumi itself for a real cloud"
    )


def test_the_environment_counts_where_the_input_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the plugin: the input first, then the variable."""
    monkeypatch.setenv("HCLOUD_ENDPOINT", "http://127.0.0.1:1/v1")
    check_lab_only(HCLOUD, {})
    with pytest.raises(ProviderError, match=r"endpoint https://api\.hetzner\.cloud/v1"):
        check_lab_only(HCLOUD, {"endpoint": Secret("https://api.hetzner.cloud/v1")})


def test_credentials_in_an_endpoint_are_not_shown() -> None:
    """A message is read by more people than a configuration."""
    with pytest.raises(ProviderError) as refused:
        check_lab_only(HCLOUD, {"endpoint": "http://user:hush@203.0.113.1/v1"})
    assert "hush" not in str(refused.value)


def test_providers_that_reach_no_cloud_are_free() -> None:
    """Commands run where they are told to."""
    check_lab_only("urn:pulumi:dev::shop::pulumi:providers:command::default", {})
