"""The provider's firewall says what nftables says, as far as its limits let it; the rest is said aloud."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import TYPE_CHECKING

import pytest

from plan import check
from plan.addresses import ANYWHERE
from plan.cloud_rules import make_cloud_rules
from plan.model.refs import Ref
from tests.stacks import changed, planned

if TYPE_CHECKING:
    from plan import Plan
    from plan.addresses import Network
    from plan.model.firewall import CloudRule, Firewall

NEEDED = "the provider's firewall takes 500 addresses in 50 rules, and {} in {} are needed; there "
OPEN = "the tunnels' ports are open to everybody, and nftables alone tells peers from strangers"
RANGE = "udp {} to {} are one range, and nftables alone tells the tunnels' ports from those between"
SSH = "tcp 22 is open to everybody, and nftables alone tells the operator's networks from others"


def networks(count: int) -> tuple[Network, ...]:
    """Return so many networks."""
    return tuple(ip_network(f"198.{18 + n // 256}.{n % 256}.0/24") for n in range(count))


def wall(*, ports: int = 1, peers: int = 2, ssh: int = 0, roaming: bool = False, shield: bool = True) -> Firewall:
    """Return a firewall with so many of each."""
    origin = planned().origins[0].firewall
    return replace(
        origin,
        visitor_ports=(80, 443) if shield else (),
        wireguard_ports=tuple(51820 + 2 * n for n in range(ports)),
        peers=tuple(Ref("ipv4", f"peer{n}") for n in range(peers)),
        ssh_sources=networks(ssh),
        roaming=roaming,
    )


def shape(rules: tuple[CloudRule, ...]) -> list[tuple[str, int, int | None, int | str]]:
    """Return rules in short: protocol, ports, and how many sources."""
    return [
        (rule.protocol, rule.port, rule.last_port, "all" if rule.sources == ANYWHERE else len(rule.sources))
        for rule in rules
    ]


VISITORS = [("tcp", 80, None, "all"), ("tcp", 443, None, "all")]


@pytest.mark.parametrize(
    ("firewall", "rules", "left"),
    [
        (wall(peers=496), [*VISITORS, *[("udp", 51820, None, 100)] * 4, ("udp", 51820, None, 96)], ""),
        (wall(peers=497), [*VISITORS, ("udp", 51820, None, "all")], NEEDED.format(501, 7) + OPEN),
        (wall(peers=497, roaming=True), [*VISITORS, ("udp", 51820, None, "all")], ""),
        (
            wall(ports=25, peers=20, shield=False),
            [("udp", 51820 + 2 * n, None, 20) for n in range(25)],
            "",
        ),
        (
            wall(ports=26, peers=20, shield=False),
            [("udp", 51820, 51870, 20)],
            NEEDED.format(520, 26) + RANGE.format(51820, 51870),
        ),
        (
            wall(ports=51, peers=2, shield=False),
            [("udp", 51820, 51920, 2)],
            NEEDED.format(102, 51) + RANGE.format(51820, 51920),
        ),
        (
            wall(ports=2, peers=500, shield=False, ssh=10),
            [("udp", 51820, None, "all"), ("udp", 51822, None, "all"), ("tcp", 22, None, 10)],
            NEEDED.format(1010, 11) + OPEN,
        ),
        (
            wall(ports=60, peers=600, shield=False),
            [("udp", 51820, 51938, "all")],
            NEEDED.format(36000, 360) + OPEN + ", and " + RANGE.format(51820, 51938),
        ),
        (
            wall(ports=60, peers=2, roaming=True),
            [*VISITORS, ("udp", 51820, 51938, "all")],
            NEEDED.format(124, 62) + RANGE.format(51820, 51938),
        ),
        (
            wall(peers=2, ssh=494),
            [*VISITORS, ("udp", 51820, None, 2), *[("tcp", 22, None, 100)] * 4, ("tcp", 22, None, 94)],
            "",
        ),
        (
            wall(peers=2, ssh=495),
            [*VISITORS, ("udp", 51820, None, 2), ("tcp", 22, None, "all")],
            NEEDED.format(501, 8) + SSH,
        ),
    ],
    ids=lambda value: value[:60] if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_left_to_nftables(firewall: Firewall, rules: list[object], left: str) -> None:
    """Each limit at its last value and one past it: peers, ports, SSH; the words name what was given up."""
    made, said = make_cloud_rules(firewall)
    assert shape(made) == rules
    assert said == left


@pytest.mark.parametrize("count", [15, 16])
def test_an_origin_behind_many_shields_keeps_a_cloud_firewall(count: int) -> None:
    """Sixteen shields need 16 x 32 addresses: then their ports are one range, and still open to them alone."""
    shields = {f"s{n}": {"slot": n, "account": "edge", "location": "fsn1"} for n in range(count)}
    plan = planned(changed(shields=shields, origins__press__shields=list(shields)))
    rules = plan.origins[0].cloud_rules
    assert {len(rule.sources) for rule in rules} == {2 * count}
    assert [rule.last_port for rule in rules] == ([None] * 15 if count == 15 else [51850])
    told = [line for line in plan.warnings if "provider's firewall" in line]
    assert told == ([] if count == 15 else [f"press: {NEEDED.format(512, 16)}{RANGE.format(51820, 51850)}"])
    assert check(plan) == ()


def broken(**values: object) -> Plan:
    """Return a sound plan with another first tunnel rule at its shield's provider."""
    plan = planned()
    shield = plan.shields[0]
    rules = tuple(replace(rule, **values) if rule.protocol == "udp" else rule for rule in shield.cloud_rules)  # type: ignore[arg-type]  # a test breaks any field
    return replace(plan, shields=(replace(shield, cloud_rules=rules),))


@pytest.mark.parametrize(
    ("values", "finding"),
    [
        ({"sources": ANYWHERE}, "falkenstein: udp 51820 is open to everybody in the cloud firewall"),
        ({"last_port": 51830}, "falkenstein: udp 51820 to 51830 are open in the cloud firewall alone"),
        ({"sources": networks(101)}, "falkenstein: its cloud firewall is more than the provider takes"),
    ],
)
def test_the_checker_excuses_nothing_that_would_have_fitted(values: dict[str, object], finding: str) -> None:
    """What the limits do not force is a finding; the sound plan beside it has none."""
    assert finding in check(broken(**values))
    assert check(planned()) == ()
