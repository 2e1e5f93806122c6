"""What the host's own programs may say, and to whom.

host ── eth0 ── wan: the Internet, the provider's metadata service
     ── fs0 ─── near
"""

from __future__ import annotations

import errno
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from cloud_init.nftables import user_lines
from cloud_init.systemd import LOOK_UP
from lab.internet.namespace import namespace_path
from tests.firewall.firewalls import PORT, WEB, origin, permit, shield
from tests.firewall.hearing import IN_TIME_S

if TYPE_CHECKING:
    from pathlib import Path

    from plan.model.firewall import Firewall
    from tests.firewall.stage import Stage

pytestmark = pytest.mark.lab
TCP = socket.SOCK_STREAM
NOBODY = 65534
ANYBODY = 12345  # a user that the host has no name for
RESOLVER, STRANGER, STRANGER6 = "198.51.100.5", "198.51.100.66", "2001:db8:66::66"
METADATA = "169.254.169.254"


def look_up(stage: Stage, firewall: Firewall, folder: Path) -> str:
    """Run the host's own look-up of users, and return what it says."""
    program, users = folder / "look-up", folder / "users"
    program.write_text(LOOK_UP, encoding="ascii")
    users.write_text(user_lines(firewall), encoding="ascii")
    inside = ["nsenter", f"--net={namespace_path(stage.name('host'))}", "sh", str(program), str(users)]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=20, check=True)
    return done.stderr


def test_an_origin_says_nothing_that_is_not_permitted(stage: Stage) -> None:
    """The permitted resolver hears a question; anybody else, and root too, is refused with a clear error."""
    stage.load(origin(egress=(permit(RESOLVER, 53),)))
    with stage.hearing("wan", 53) as world:
        with stage.counting(egress_new=1), stage.say("host", (RESOLVER, 53), uid=NOBODY):
            assert world.source() == "203.0.113.10"
        with stage.counting(egress_denied=2):
            assert stage.refusal("host", (STRANGER, 53)) == errno.EHOSTUNREACH
            assert stage.refusal("host", (STRANGER6, 53), uid=NOBODY) == errno.EACCES
        with stage.counting(egress_denied=1):
            assert stage.refusal("host", (RESOLVER, 53)) == errno.EHOSTUNREACH
        assert world.silent()


def test_a_shield_may_say_everything(stage: Stage) -> None:
    """With no restriction any user reaches anybody, in either IP version."""
    stage.load(shield())
    with stage.hearing("wan", 8080) as world, stage.counting():
        for to in (STRANGER, STRANGER6):
            with stage.say("host", (to, 8080), uid=NOBODY, kind=TCP):
                assert world.source() in {"203.0.113.10", "2001:db8:10::10"}


def test_a_permit_holds_for_its_user(stage: Stage, tmp_path: Path) -> None:
    """The named user may, root may not; before its number is looked up nobody may."""
    firewall = origin(egress=(permit("anywhere", 80, 443, user="nobody", protocol="tcp"),))
    stage.load(firewall)
    with stage.hearing("wan", 443) as world:
        with stage.counting(egress_denied=1):
            assert stage.refusal("host", (STRANGER, 443), uid=NOBODY) == errno.EHOSTUNREACH
        assert look_up(stage, firewall, tmp_path) == ""
        with stage.counting(egress_new=2):
            for to in (STRANGER, STRANGER6):
                with stage.say("host", (to, 443), uid=NOBODY, kind=TCP):
                    assert world.source() in {"203.0.113.10", "2001:db8:10::10"}
        with stage.counting(egress_denied=2):
            assert stage.refusal("host", (STRANGER, 443), uid=ANYBODY) == errno.EHOSTUNREACH
            assert stage.refusal("host", (STRANGER, 443)) == errno.EHOSTUNREACH


def test_roots_permit_needs_no_look_up(stage: Stage) -> None:
    """Root's number is known: its permit holds from the first moment, and for root alone."""
    stage.load(origin(egress=(permit("anywhere", 80, user="root", protocol="tcp"),)))
    with stage.hearing("wan", 80) as world:
        with stage.counting(egress_new=1), stage.say("host", (STRANGER, 80), kind=TCP):
            assert world.source() == "203.0.113.10"
        with stage.counting(egress_denied=1):
            assert stage.refusal("host", (STRANGER, 80), uid=NOBODY) == errno.EHOSTUNREACH


def test_a_user_that_does_not_exist_costs_nobody_anything(stage: Stage, tmp_path: Path) -> None:
    """The table loads, other users' permits hold, the missing one is named, and a reload keeps what was looked up."""
    permits = (permit("anywhere", 80, user="nobody", protocol="tcp"), permit("anywhere", 81, user="not-there"))
    firewall = origin(egress=permits)
    stage.load(firewall)
    said = look_up(stage, firewall, tmp_path)
    assert said == "farshore: egress: user not-there: not on this host; what it is permitted waits for it\n"
    stage.load(firewall)
    with (
        stage.hearing("wan", 80) as world,
        stage.counting(egress_new=1),
        stage.say("host", (STRANGER, 80), uid=NOBODY, kind=TCP),
    ):
        assert world.source() == "203.0.113.10"


def test_a_user_that_has_gone_loses_its_permit(stage: Stage, tmp_path: Path) -> None:
    """A number that no longer belongs to the user is forgotten at the next look-up."""
    firewall = origin(egress=(permit("anywhere", 80, user="not-there", protocol="tcp"),))
    stage.load(firewall)
    assert stage.nft(f"add element inet farshore user_not-there {{ {ANYBODY} }}").returncode == 0
    with stage.hearing("wan", 80) as world:
        with stage.counting(egress_new=1), stage.say("host", (STRANGER, 80), uid=ANYBODY, kind=TCP):
            assert world.source() == "203.0.113.10"
        look_up(stage, firewall, tmp_path)
        with stage.counting(egress_denied=1):
            assert stage.refusal("host", (STRANGER, 80), uid=ANYBODY) == errno.EHOSTUNREACH


def test_packages_time_and_names_work_for_those_who_fetch_them(stage: Stage, tmp_path: Path) -> None:
    """What every origin has: names for everybody, packages for apt's own user, time for the clock's own."""
    from plan.admission import base_permits
    from plan.tables import hetzner

    firewall = origin(egress=base_permits())
    stage.load(firewall)
    look_up(stage, firewall, tmp_path)
    named = {line.split()[1]: line.split()[0] for line in user_lines(firewall).splitlines()}
    assert set(named) == {"_apt", "systemd-timesync"}
    for user, number in (("_apt", 501), ("systemd-timesync", 502)):  # whatever this machine calls them
        assert stage.nft(f"flush set inet farshore {named[user]}\n"
                         f"add element inet farshore {named[user]} {{ {number} }}").returncode == 0  # fmt: skip
    resolvers = [str(address) for address in hetzner().resolvers]
    for resolver in resolvers:
        with stage.counting(egress_new=2), stage.say("host", (resolver, 53), uid=ANYBODY):
            stage.say("host", (resolver, 53), uid=NOBODY).close()
    with stage.counting(egress_new=1), stage.say("host", (STRANGER, 443), uid=501, kind=TCP):
        pass
    with stage.counting(egress_new=1), stage.say("host", (STRANGER6, 123), uid=502):
        pass
    with stage.counting(egress_denied=2):
        assert stage.refusal("host", (STRANGER, 443), uid=502) == errno.EHOSTUNREACH
        assert stage.refusal("host", (STRANGER, 123), uid=501) == errno.EHOSTUNREACH


def test_a_restricted_host_still_speaks_inside_its_tunnels(stage: Stage) -> None:
    """Anybody's program may use the tunnels; what is answered there comes in."""
    stage.load(origin())
    for to, own in (("10.0.0.1", "10.0.0.2"), ("fd5a::1", "fd5a::2")):
        with (
            stage.hearing("near", 9000, to) as shielded,
            stage.counting(),
            stage.say("host", (to, 9000), uid=NOBODY) as asked,
        ):
            assert shielded.source() == own
            shielded.answer()
            asked.settimeout(IN_TIME_S)
            assert asked.recv(100) == b"answer"


def test_a_restricted_host_dials_its_peers_and_renews_its_address(stage: Stage) -> None:
    """WireGuard's own packets go to peers and to nobody else, DHCP's to its server; root alone may ping."""
    stage.load(origin())
    with stage.hearing("wan", 51820) as peer:
        with stage.counting(wg_tx=1), stage.say("host", ("198.51.100.5", 51820), source=("203.0.113.10", PORT)):
            assert peer.source() == "203.0.113.10"
        with stage.counting(wg_tx=1), stage.say("host", ("2001:db8:5::5", 51820), source=("2001:db8:10::10", PORT)):
            assert peer.source() == "2001:db8:10::10"
        with stage.counting(egress_denied=1), stage.say("host", (STRANGER, 51820), source=("203.0.113.10", PORT)):
            pass
        assert peer.silent()
    with stage.counting(dhcp=1), stage.say("host", ("203.0.113.1", 67), source=("203.0.113.10", 68)):
        pass
    with stage.counting(egress_new=1):
        assert stage.ping("host", STRANGER)


def test_outer_packets_are_tracked_by_nobody(stage: Stage) -> None:
    """A peer's packets and the answers leave no entry in conntrack; a visitor's do."""
    stage.load(shield())
    with stage.hearing("host", PORT) as ours, stage.hearing("host", 443) as visited:
        with stage.counting(wg_rx=1, wg_tx=1), stage.say("wan", ("203.0.113.10", PORT), source=("198.51.100.5", 999)):
            ours.source()
            ours.answer()
        with stage.say("wan", ("203.0.113.10", 443), source=("198.51.100.5", 998), kind=TCP):
            visited.source()

    def tracked() -> str:
        from pathlib import Path

        return Path("/proc/thread-self/net/nf_conntrack").read_text(encoding="ascii")

    seen = stage.inside("host", tracked)
    assert "sport=998 dport=443" in seen
    assert f"dport={PORT}" not in seen
    assert f"sport={PORT}" not in seen


@pytest.mark.parametrize("restricted", [True, False])
def test_root_alone_asks_the_metadata_service(stage: Stage, *, restricted: bool) -> None:
    """User data stays readable there for the server's life: root is answered, everybody else refused at once."""
    stage.load(origin() if restricted else shield())
    stage.ip("wan", "addr", "replace", f"{METADATA}/32", "dev", "w0")
    stage.ip("wan", "addr", "replace", "fe80::a9fe:a9fe/64", "dev", "w0", "nodad")
    with stage.hearing("wan", 80) as service:
        with stage.counting(metadata_root=1), stage.say("host", (METADATA, 80), kind=TCP):
            assert service.source() == "203.0.113.10"
        with stage.counting(metadata_drop=1):
            assert stage.refusal("host", (METADATA, 80), uid=NOBODY) == errno.EHOSTUNREACH
        scope = stage.inside("host", lambda: socket.if_nametoindex("eth0"))

        def ask6() -> None:
            with socket.socket(socket.AF_INET6) as made:
                made.settimeout(0)
                made.connect_ex(("fe80::a9fe:a9fe", 80, 0, scope))

        with stage.counting(metadata_root=1):
            stage.inside("host", ask6)
        with stage.counting(metadata_drop=1):
            stage.inside("host", ask6, uid=NOBODY)


@pytest.mark.parametrize("restricted", [True, False])
def test_nothing_of_ours_leaves_in_clear(stage: Stage, *, restricted: bool) -> None:
    """With the tunnel down a new connection to its addresses is refused, and an established one is silent."""
    stage.load(origin(accepts=(WEB,)) if restricted else shield(accepts=(WEB,)))
    with stage.hearing("host", 8443) as app, stage.hearing("wan", 9000) as world:
        with stage.counting(flow_new=1), stage.say("near", ("10.0.0.2", 8443), source=("10.0.0.1", 7000)):
            app.source()
            app.answer()
        with stage.down("fs0"):
            with stage.counting(leak_drop=1):
                app.answer_refused()
            with stage.counting(leak_drop=1):
                assert stage.refusal("host", ("10.0.0.1", 9000)) == errno.EHOSTUNREACH
            with stage.counting(leak_drop=1), stage.say("host", ("fd5a::1", 9000), uid=NOBODY):
                pass
            assert world.silent()
