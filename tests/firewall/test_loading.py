"""The table as a file: loaded over itself and over any other, refused, and with whatever names a stack file holds."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import date
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from cloud_init import Material
from cloud_init.nftables import BIRTH, CLOSED, render_nftables
from plan.model.firewall import Expiry, Firewall, Flow, Permit
from tests.firewall.firewalls import SHIELD, WEB, flow, origin, shield
from tests.trees import GOLDEN

if TYPE_CHECKING:
    from tests.firewall.stage import Stage

pytestmark = pytest.mark.lab
TCP = socket.SOCK_STREAM
FROM_WAN: dict[str, Any] = {"source": ("198.51.100.66", 0), "kind": TCP}

ports = st.lists(st.integers(1, 65535), max_size=4, unique=True).map(tuple)
some_ports = st.lists(st.integers(1, 65535), min_size=1, max_size=4, unique=True).map(tuple)
# Few bits set, so that prefixes nest, meet and repeat.
fours = st.builds(
    lambda bits, length: IPv4Network((bits << 20, length), strict=False), st.integers(0, 4095), st.integers(1, 32)
)
sixes = st.builds(
    lambda bits, length: IPv6Network((bits << 104 | 0xFD << 120, length), strict=False),
    st.integers(0, 4095),
    st.integers(1, 128),
)
networks = st.lists(fours | sixes, max_size=4).map(tuple)
addresses = st.lists(
    st.integers(1, 300).map(lambda host: IPv4Address(0x0A000000 + host))
    | st.integers(1, 300).map(lambda host: IPv6Address(0xFD << 120 | host)),
    max_size=6,
).map(tuple)
anywhere = st.just((IPv4Network("0.0.0.0/0"), IPv6Network("::/0")))
flows = st.lists(
    st.builds(
        Flow,
        name=st.text(max_size=40),
        protocol=st.sampled_from(["tcp", "udp", "any"]),
        ports=ports,
        sources=networks,
        destinations=networks,
        because=st.just(()),
    ),
    max_size=4,
).map(tuple)
permits = st.lists(
    st.builds(
        Permit,
        networks=networks | anywhere,
        protocol=st.sampled_from(["tcp", "udp"]),
        ports=some_ports,
        user=st.none() | st.from_regex(r"[a-z_][a-z0-9_-]{0,30}", fullmatch=True),
        because=st.text(max_size=10),
    ),
    max_size=4,
).map(tuple)
expiries = st.lists(st.builds(Expiry, addresses=addresses, until=st.dates()), max_size=4).map(tuple)
firewalls = st.builds(
    Firewall,
    visitor_ports=ports,
    wireguard_ports=ports,
    peers=addresses,
    roaming=st.booleans(),
    accepts=flows,
    forwards=flows,
    internet=networks,
    masquerades=networks,
    expiries=expiries,
    ssh_sources=networks | anywhere,
    inside=networks,
    egress=st.none() | permits,
)


def test_loaded_over_itself_it_keeps_what_it_knows(stage: Stage) -> None:
    """Counters go on, a visitor's rate is remembered, a connection lives, and the rules are the same as before."""
    stage.load(SHIELD)
    with (
        stage.hearing("host", 443) as visited,
        stage.counting(visitor_new=1),
        stage.say("wan", ("203.0.113.10", 443), **FROM_WAN) as asked,
    ):
        visited.source()
        before, rules = stage.counters(), stage.nft("list table inet farshore", "-s").stdout
        assert before == {"visitor_new": 1}
        stage.load(SHIELD)
        assert stage.counters() == before
        assert stage.nft("list table inet farshore", "-s").stdout == rules
        visited.accepted[0].sendall(b"page")
        asked.settimeout(5)
        assert asked.recv(100) == b"page"
    assert "198.51.100.66" in stage.nft("list set inet farshore visitor_rate4").stdout


def test_a_flow_that_is_taken_back_is_closed(stage: Stage) -> None:
    """The next table's rules are the only ones: nothing of the last one's is left open."""
    stage.load(origin(accepts=(WEB,), forwards=(WEB,)))
    with stage.hearing("host", 8443) as app:
        with stage.counting(flow_new=1), stage.say("near", ("10.0.0.2", 8443), source=("10.0.0.1", 0)):
            app.source()
        stage.load(origin(accepts=(), forwards=()))
        with stage.counting(flow_denied=1), stage.say("near", ("10.0.0.2", 8443), source=("10.0.0.1", 0)):
            pass
        assert app.silent()


def test_a_refused_table_leaves_the_host_closed(stage: Stage) -> None:
    """As the unit loads them: first what closes, then the table; a table with a fault changes nothing."""
    assert stage.nft(CLOSED).returncode == 0
    broken = render_nftables(SHIELD, Material({})) + "table inet farshore { chain input { no such word\n} }\n"
    assert stage.nft(broken).returncode == 1
    with stage.hearing("host", 443) as visited, stage.hearing("wan", 8080) as world:
        for to in (("203.0.113.10", 443), ("2001:db8:10::10", 443)):
            stage.say("wan", to, kind=TCP).close()
        stage.say("host", ("198.51.100.66", 8080), uid=65534).close()
        # What is permitted comes after, by the same wires: whatever was let in before it would have come.
        with stage.say("host", ("198.51.100.66", 8080)):
            assert world.source() == "203.0.113.10"
        assert world.silent()
        assert visited.silent()


def test_a_refused_table_leaves_the_old_one_alone(stage: Stage) -> None:
    """A reload with a fault is no reload: counters and rules are those of before."""
    stage.load(SHIELD)
    rules = stage.nft("list table inet farshore").stdout
    assert stage.nft(render_nftables(origin(), Material({})) + "nonsense\n").returncode == 1
    assert stage.nft("list table inet farshore").stdout == rules


@pytest.mark.parametrize("text", [BIRTH, CLOSED], ids=["birth", "closed"])
def test_a_closed_host_finds_its_neighbours_and_its_address(stage: Stage, text: str) -> None:
    """Before the real table it answers nobody, forwards nothing, and still speaks; loaded over a table it closes it."""
    stage.load(shield(forwards=(flow("10.0.0.1", "10.0.0.4", 5432),)))
    assert stage.nft(text).returncode == 0
    stage.ip("host", "-6", "neigh", "flush", "dev", "eth0")
    with stage.hearing("host", 443) as visited, stage.hearing("far", 5432) as far, stage.hearing("host", 68) as client:
        stage.say("wan", ("2001:db8:10::10", 443), kind=TCP).close()
        stage.say("near", ("10.0.0.4", 5432), source=("10.0.0.1", 0)).close()
        with stage.say("wan", ("203.0.113.10", 68), source=("203.0.113.1", 67)):
            assert client.source() == "203.0.113.1"
        assert visited.silent()
        assert far.silent()
    with stage.hearing("wan", 9000) as world, stage.say("host", ("2001:db8:66::66", 9000)):
        assert world.source() == "2001:db8:10::10"


def test_at_birth_packages_are_fetched_and_user_data_is_roots(stage: Stage) -> None:
    """The user of apt reaches the Internet before the bundle is there; nobody but root asks for user data."""
    assert stage.nft(BIRTH).returncode == 0
    stage.ip("wan", "addr", "replace", "169.254.169.254/32", "dev", "w0")
    with stage.hearing("wan", 80) as world:
        with stage.say("host", ("198.51.100.66", 80), uid=501, kind=TCP):
            assert world.source() == "203.0.113.10"
        stage.say("host", ("169.254.169.254", 80), uid=501, kind=TCP).close()
        with stage.say("host", ("169.254.169.254", 80)):
            assert world.source() == "203.0.113.10"
        assert world.silent()


@pytest.mark.parametrize("name", sorted(str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*.nft")))
def test_the_kernel_takes_every_golden_table(stage: Stage, name: str) -> None:
    """Checked, loaded, and loaded over itself."""
    text = (GOLDEN / name).read_text(encoding="utf-8")
    for options in (["-c"], [], []):
        done = stage.nft(text, *options)
        assert (done.returncode, done.stderr) == (0, "")


HOSTILE = [
    '"', "'", "\\", "\n", ";", "}", "{", "$(reboot)", "`reboot`", "# x", '" accept; } flush ruleset', "é", "\x00", "x" * 500,
    '"\n  }\n  chain input {\n    accept\n  }\n#',
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_changes_nothing_but_a_comment(stage: Stage, name: str) -> None:
    """The table with a hostile name is the table with a harmless one, once comments are taken out."""
    import re

    def rules(named: str) -> str:
        stage.clear()
        stage.load(origin(accepts=(replace(WEB, name=named),), forwards=(replace(WEB, name=named, ports=()),)))
        listed = stage.nft("list table inet farshore").stdout
        return re.sub(r'comment "[A-Za-z0-9 ._/@:+?-]*"', "", listed)

    hostile = rules(name)
    assert "comment" not in hostile
    assert hostile == rules("press/web")


@pytest.mark.parametrize("user", ["", "Root", "a b", "x;y", "$(id)", "-rf", "a\nb", "x" * 32, "0"])
def test_what_is_no_users_name_is_refused(user: str) -> None:
    """A permit for it is an error that names it, never a table."""
    permit = Permit(networks=(), protocol="tcp", ports=(1,), user=user, because="test")
    with pytest.raises(ValueError, match=r"egress: user .*, allowed: what useradd\(8\) takes; name a local user"):
        render_nftables(origin(egress=(permit,)), Material({}))


@settings(
    max_examples=40,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(firewalls)
def test_the_kernel_takes_any_table_over_any_other(stage: Stage, firewall: Firewall) -> None:
    """Whatever the plan holds, overlapping networks and strange names too: checked, and loaded over the one before."""
    text = render_nftables(firewall, Material({}))
    for options in (["-c"], []):
        done = stage.nft(text, *options)
        assert (done.returncode, done.stderr) == (0, ""), text


def test_a_day_that_no_clock_reaches_never_ends(stage: Stage) -> None:
    """The last day of the calendar is as good as no end: no rule, and no overflow."""
    never = Expiry(addresses=(IPv4Address("10.0.0.200"),), until=date.max)
    assert stage.load(shield(expiries=(never,))) == stage.load(SHIELD)


def test_a_thousand_peers_are_rules_of_one(stage: Stage) -> None:
    """A thousand devices and their flows add elements and not a single rule."""

    def peers(count: int) -> Firewall:
        each = [IPv4Address("10.0.1.0") + number for number in range(count)]
        return shield(
            peers=tuple(IPv4Address("198.51.0.0") + number for number in range(count)),
            forwards=tuple(flow(str(address), "10.0.0.4", 5432) for address in each),
            accepts=tuple(flow(str(address), "10.0.0.2", 22, protocol="tcp") for address in each),
            internet=tuple(IPv4Network(address) for address in each),
            expiries=(Expiry(addresses=tuple(each), until=date(2030, 1, 1)),),
        )

    def counted() -> int:
        return sum("rule" in entry for entry in stage.listed("table", "inet", "farshore"))

    stage.load(peers(1))
    one = counted()
    stage.load(peers(1000))
    assert counted() == one
