"""What a bundle holds for the firewall, and what its table asks of every packet."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Any

import pytest

from cloud_init import Material, placeholder, render_bundle
from cloud_init.nftables import render_nftables
from cloud_init.nftables.table import COUNTERS
from plan.model.firewall import Expiry
from tests.firewall.firewalls import SHIELD, WEB, origin, shield
from tests.stacks import planned

if TYPE_CHECKING:
    from plan.model import Host
    from plan.model.firewall import Firewall

EXPIRING = Expiry(addresses=tuple(ip_address(text) for text in ("10.0.0.200", "fd5a::200")), until=date(2027, 6, 30))
PASSES = {"internet": (ip_network("10.0.0.200"),)}, {"forwards": (WEB,)}


def host(role: str) -> Host:
    """Return the shield, or the origin, of the smallest stack."""
    plan = planned()
    return plan.shields[0] if role == "shield" else plan.origins[0]


def chain(text: str, name: str) -> list[str]:
    """Return the rules of one chain."""
    body = text.split(f"  chain {name} {{\n")[1].split("\n  }\n", maxsplit=1)[0]
    return [line.strip() for line in body.splitlines() if "hook" not in line]


@pytest.mark.parametrize("change", PASSES, ids=["full tunnel", "flow"])
def test_packets_pass_where_a_flow_does(change: dict[str, Any]) -> None:
    """A host that forwards is told so in both IP versions; one that does not is not."""
    shielded = host("shield")
    passing = replace(shielded, firewall=replace(shielded.firewall, **change))

    def settings(of: Host) -> str:
        bundle = render_bundle(of, placeholder(of))
        return next(file.content for file in bundle.files if file.path == "/etc/sysctl.d/60-farshore.conf")

    assert "forward" not in settings(shielded)
    assert "net.ipv4.ip_forward = 1\n" in settings(passing)
    assert "net.ipv6.conf.all.forwarding = 1\n" in settings(passing)


def test_users_are_looked_up_where_a_permit_names_one() -> None:
    """An origin has the look-up, its list, and the unit that watches for users; a shield has none of them."""
    told = {role: render_bundle(host(role), placeholder(host(role))) for role in ("origin", "shield")}
    files = {role: {file.path: file for file in bundle.files} for role, bundle in told.items()}
    assert files["origin"]["/usr/local/lib/farshore/egress-users"].mode == "0755"
    assert files["origin"]["/etc/farshore/egress-users"].content == (
        "user__apt _apt\nuser_systemd-timesync systemd-timesync\n"
    )
    assert told["origin"].units[:2] == ("farshore-nftables.service", "farshore-users.path")
    assert not [path for path in files["shield"] if "users" in path]
    assert "farshore-users.path" not in told["shield"].units


@pytest.mark.parametrize("role", ["shield", "origin"])
def test_a_host_is_closed_before_it_is_opened(role: str) -> None:
    """The unit loads what closes first, and only then the table; a reload loads the table alone."""
    bundle = render_bundle(host(role), placeholder(host(role)))
    unit = next(file.content for file in bundle.files if file.path.endswith("/farshore-nftables.service"))
    starts = [line for line in unit.splitlines() if line.startswith("Exec")]
    assert starts == [
        "ExecStart=/usr/sbin/nft -f /etc/farshore/closed.nft",
        "ExecStart=/usr/sbin/nft -f /etc/farshore/farshore.nft",
        "ExecReload=/usr/sbin/nft -f /etc/farshore/farshore.nft",
    ]
    assert bundle.masked == ("nftables.service",)


@pytest.mark.parametrize("firewall", [SHIELD, origin(forwards=(WEB,))], ids=["shield", "origin"])
def test_nothing_stands_before_established_connections(firewall: Firewall) -> None:
    """The state is the first thing that is asked, in all three directions."""
    text = render_nftables(firewall, Material({}))
    assert [chain(text, name)[0] for name in ("input", "forward", "output")] == [
        "ct state established,related goto kept_in",
        "ct state established,related goto kept_through",
        "ct state established,related goto leave",
    ]


def test_only_time_stands_before_them() -> None:
    """Where operators' time ends, one look-up for a packet's source, and for its destination where it passes."""
    text = render_nftables(shield(expiries=(EXPIRING,)), Material({}))
    before = {
        name: " ".join(chain(text, name)).split("ct state established")[0] for name in ("input", "forward", "output")
    }
    source = "ip saddr vmap { 10.0.0.200 : jump until_20270630 } ip6 saddr vmap { fd5a::200 : jump until_20270630 } "
    assert before == {"input": source, "forward": source + source.replace("saddr", "daddr"), "output": ""}


def test_inside_a_tunnel_the_interface_is_all_that_is_asked_more() -> None:
    """The first rule for an established packet from a tunnel, or into one, names the tunnel's interface."""
    text = render_nftables(SHIELD, Material({}))
    assert chain(text, "kept_in")[0] == 'iifname "fs*" accept'
    assert chain(text, "leave")[0] == 'oifname "fs*" goto into_tunnel'


def test_every_counter_stands_at_a_decision() -> None:
    """No counter is declared that no rule of any host uses, and none is used that is not declared."""
    import re

    from tests.firewall.firewalls import permit

    everything = shield(
        expiries=(EXPIRING,),
        forwards=(WEB,),
        internet=(ip_network("10.0.0.200"),),
        egress=(permit("anywhere", 80, user="root"),),
    )
    text = render_nftables(everything, Material({}))
    assert set(re.findall(r"counter name (\w+)", text)) == set(COUNTERS)


def test_the_guide_names_every_counter() -> None:
    """docs/firewall.md says what each counter means, and of no other."""
    import re
    from pathlib import Path

    guide = (Path(__file__).parents[2] / "docs/firewall.md").read_text(encoding="utf-8")
    rows = guide.split("## Counters")[1].split("\n## ")[0]
    named = [
        name for row in rows.splitlines() if row.startswith("| `") for name in re.findall(r"`(\w+)`", row.split("|")[1])
    ]
    assert sorted(named) == sorted(COUNTERS)
