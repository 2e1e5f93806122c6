"""SSH from named networks, through the tunnel, or off; where it is off the preview says what that means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cloud_init import placeholder
from cloud_init.nftables import render_nftables
from tests.stacks import changed, planned

if TYPE_CHECKING:
    from plan import Host

GLASS = {
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops",
    "sources": ["198.51.100.0/24"],
}
LAPTOP = {"slot": 200, "public_key": "x" * 42 + "w=", "reach": ["falkenstein/ssh"]}
CLOSED = "farshore:{}.ssh: SSH answers nowhere; this host changes by replacement only"
BEHIND = ", and so does press behind it"


def ways_in(host: Host) -> list[str]:
    """Return from where a host's SSH answers: outside, at the provider, and inside the tunnels."""
    outside = [str(network) for network in host.firewall.ssh_sources]
    cloud = [str(source) for rule in host.cloud_rules if rule.port == 22 for source in rule.sources]
    assert cloud == outside
    inside = [flow for flow in host.firewall.accepts if flow.ports == (22,)]
    return [*outside, *(str(source) for flow in inside for source in flow.sources if source.version == 4)]


def closed(plan: Any) -> list[str]:
    """Return the hosts of which the preview says that nobody can change them while they live."""
    return [line for line in plan.warnings if "SSH answers nowhere" in line]


@pytest.mark.parametrize(
    ("values", "ways"),
    [
        ({"shields__falkenstein__ssh": "off"}, []),
        ({"shields__falkenstein__ssh": "off", "break_glass": GLASS}, []),
        ({"shields__falkenstein__ssh": "tunnel"}, []),
        ({"shields__falkenstein__ssh": "tunnel", "break_glass": GLASS}, []),
        ({}, []),
        ({"shields__falkenstein__ssh": "tunnel", "operators__laptop": LAPTOP}, ["10.0.0.200/32"]),
        ({"operators__laptop": LAPTOP, "break_glass": GLASS}, ["198.51.100.0/24", "10.0.0.200/32"]),
        ({"break_glass": GLASS}, ["198.51.100.0/24"]),
        ({"shields__falkenstein__ssh": ["192.0.2.0/24"], "break_glass": GLASS}, ["192.0.2.0/24"]),
    ],
)
def test_a_shields_ssh_answers_where_the_stack_file_says(values: dict[str, Any], ways: list[str]) -> None:
    """Both layers and the words agree: a host with no way in is named, one with any is not."""
    plan = planned(changed(**values))
    shield = plan.shields[0]
    assert ways_in(shield) == ways
    assert shield.ssh == bool(ways)
    assert closed(plan) == ([] if ways else [CLOSED.format("shields.falkenstein") + BEHIND])
    table = render_nftables(shield.firewall, placeholder(shield))
    assert table.count("counter name ssh_new accept") == len(shield.firewall.ssh_sources)
    assert "tcp dport 22 counter name ssh_denied drop" in table


@pytest.mark.parametrize(("ssh", "ways"), [("off", []), ("tunnel", ["10.0.0.1/32"])])
def test_an_origins_ssh_answers_its_shields_or_nobody(ssh: str, ways: list[str]) -> None:
    """Delivery comes through the tunnel; without it the origin changes by replacement, and the preview says so."""
    plan = planned(changed(origins__press__ssh=ssh, break_glass=GLASS))
    origin = plan.origins[0]
    assert ways_in(origin) == ways
    assert closed(plan) == ([] if ways else [CLOSED.format("origins.press")])
    assert (" . 22 comment" in render_nftables(origin.firewall, placeholder(origin))) == bool(ways)
