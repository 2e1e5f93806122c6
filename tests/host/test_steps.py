"""The least that makes a running host what it is told: nothing else is touched."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from cloud_init.host.document import Told
from cloud_init.host.steps import Steps, plan_steps, reopened
from tests.host.stories import LAPTOP, PRESS, ROUTE, conf, key, roamed, running, section, told, words

if TYPE_CHECKING:
    from cloud_init.host.live import Live


def steps(new: Told, old: Told | None = None, live: Live | None = None) -> Steps:
    """Return the steps from a host on which all is as it was told, unless something else runs."""
    before = told() if old is None else old
    return plan_steps(before, new, running(before) if live is None else live, {})


def test_nothing_changed_is_nothing_to_do() -> None:
    """Not a file, not a command; with one byte more there is."""
    assert not steps(told())
    assert steps(told(conf(PRESS, LAPTOP, routes=ROUTE) + "\n"))


def test_a_new_peer_comes_without_touching_another() -> None:
    """One message that names it alone, and no key, shared key or address on the command line."""
    phone = section("phone", 4, "10.0.0.201/32", "192.0.2.9:51820")
    found = steps(told(conf(PRESS, LAPTOP, phone, routes=ROUTE)))
    assert found.writes == ("/etc/wireguard/fs0.conf",)
    assert words(found) == ["wg addconf fs0 /dev/stdin"]
    (command,) = found.commands
    assert command.given == (
        f"[Peer]\nPublicKey = {key(4)}\nPresharedKey = {'A' * 43}=\nAllowedIPs = 10.0.0.201\n"
        "Endpoint = 192.0.2.9:51820\nPersistentKeepalive = off\n"
    )
    assert "192.0.2.9" not in repr(found)


def test_a_removed_peer_goes_alone() -> None:
    """Nobody else is named."""
    found = steps(told(conf(PRESS, routes=ROUTE)))
    assert words(found) == [f"wg set fs0 peer {key(3)} remove"]


def test_a_peer_that_somebody_added_by_hand_goes() -> None:
    """What runs is compared, not what was written."""
    before = told()
    live = running(before)
    live.interfaces["fs0"].peers[key(7)] = live.interfaces["fs0"].peers[key(3)]
    assert words(steps(before, before, live)) == [f"wg set fs0 peer {key(7)} remove"]


def test_a_roamed_endpoint_stays_unless_its_file_says_another() -> None:
    """A peer that dials from elsewhere is left there; a new endpoint in the file is set, and is no argument."""
    before = told()
    live = roamed(running(before), 2, "198.51.100.7:1234")
    assert not steps(before, before, live)
    moved = section("press", 2, "10.0.0.2/32", "192.0.2.66:51820")
    (command,) = steps(told(conf(moved, LAPTOP, routes=ROUTE)), before, live).commands
    assert command.words == ("wg", "addconf", "fs0", "/dev/stdin")
    assert "Endpoint = 192.0.2.66:51820\n" in command.given
    (other,) = steps(
        told(conf(section("press", 2, "10.0.0.3/32", "192.0.2.6:51820"), LAPTOP, routes=ROUTE)), before, live
    ).commands
    assert "Endpoint" not in other.given


def test_another_shared_key_is_set_from_standard_input() -> None:
    """Its file is written, its peer told, its text no argument."""
    new = told()
    new.files["/etc/farshore/keys/fs0-press.psk"] = (0o600, f"{key(8)}\n")
    found = steps(new)
    assert found.writes == ("/etc/farshore/keys/fs0-press.psk",)
    assert words(found) == ["wg addconf fs0 /dev/stdin"]
    assert f"PresharedKey = {key(8)}\n" in found.commands[0].given
    assert key(8) not in repr(found)


def test_a_moving_address_is_never_with_nobody() -> None:
    """Its former owner keeps it in the message until its new owner takes it; both orders, and a swap."""
    a, b = section("press", 2, "10.0.0.2/32"), section("laptop", 3, "10.0.0.200/32, 10.0.0.9/32")
    before = told(conf(a, b, routes=ROUTE))
    for new_a, new_b, first, second in (
        ("10.0.0.2/32, 10.0.0.9/32", "10.0.0.200/32", {"10.0.0.2", "10.0.0.9"}, {"10.0.0.200"}),
        ("10.0.0.200/32", "10.0.0.2/32, 10.0.0.9/32", {"10.0.0.200", "10.0.0.2"}, {"10.0.0.2", "10.0.0.9"}),
    ):
        new = told(conf(section("press", 2, new_a), section("laptop", 3, new_b), routes=ROUTE))
        (command,) = steps(new, before, running(before)).commands
        lines = [line for line in command.given.splitlines() if line.startswith("AllowedIPs")]
        assert [set(line.removeprefix("AllowedIPs = ").split(", ")) for line in lines] == [first, second]


def test_an_address_of_a_removed_peer_is_taken_before_it_goes() -> None:
    """Receivers first, then the removal."""
    new = told(conf(section("press", 2, "10.0.0.2/32, 10.0.0.200/32", "192.0.2.6:51820"), routes=ROUTE))
    assert words(steps(new)) == ["wg addconf fs0 /dev/stdin", f"wg set fs0 peer {key(3)} remove"]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        (conf(PRESS, LAPTOP, routes=ROUTE, mtu_bytes=1380), "ip link set mtu 1380 dev fs0"),
        (conf(PRESS, LAPTOP, routes=ROUTE, port=51830), "wg set fs0 listen-port 51830"),
    ],
)
def test_an_interface_is_changed_and_never_restarted(new: str, expected: str) -> None:
    """MTU by `ip`, port by `wg`."""
    assert words(steps(told(new))) == [expected]


def test_an_address_goes_after_the_routes_that_name_the_new_one() -> None:
    """An address takes the routes with it that have it as their source."""
    route = "PostUp = ip -4 route replace 10.0.0.2 dev %i src 10.0.0.8 mtu 1380\n"
    found = steps(told(conf(PRESS, LAPTOP, address="10.0.0.8", routes=route)))
    assert words(found) == ["ip addr add 10.0.0.8 dev fs0", "ip -batch -", "ip addr del 10.0.0.1 dev fs0"]
    assert found.commands[1].given == "route replace 10.0.0.2 dev fs0 src 10.0.0.8 mtu 1380\n"


def test_routes_are_made_before_others_are_removed() -> None:
    """One batch: what is wanted first."""
    route = "PostUp = ip -4 route replace 10.0.0.3 dev %i src 10.0.0.1\n"
    (command,) = steps(told(conf(PRESS, LAPTOP, routes=route))).commands
    assert command.given == "route replace 10.0.0.3 dev fs0 src 10.0.0.1\nroute del 10.0.0.2 dev fs0\n"


def second(text: str, before: Told) -> Told:
    """Return a host with an interface of a second generation beside the first."""
    files = {
        **before.files,
        "/etc/wireguard/fs1.conf": (0o600, text.replace("fs0.key", "fs1.key").replace("fs0-", "fs1-")),
        "/etc/farshore/keys/fs1.key": (0o600, f"{key(5)}\n"),
        "/etc/farshore/keys/fs1-press.psk": (0o600, f"{key(6)}\n"),
    }
    return Told(files, (*before.units, "wg-quick@fs1.service"), before.masked)


def test_a_new_interface_is_started_and_enabled_and_an_old_one_ended_before_its_files_go() -> None:
    """wg-quick(8) needs the file of an interface that it takes down: files go last."""
    one, two = told(), second(conf(PRESS, port=51821), told())
    there = steps(two)
    assert words(there) == ["systemctl restart wg-quick@fs1.service", "systemctl enable wg-quick@fs1.service"]
    back = steps(one, two, running(two))
    assert words(back) == ["systemctl disable --now wg-quick@fs1.service"]
    assert set(back.removes) == {path for path in two.files if path not in one.files}
    assert not back.writes


def test_a_unit_that_never_came_is_not_ended() -> None:
    """Whoever was to write its file was stopped before; systemd knows no such unit."""
    one, two = told(), second(conf(PRESS, port=51821), told())
    live = running(two)
    live.units["wg-quick@fs1.service"] = ("", "inactive")
    assert words(steps(one, two, live)) == []


def test_a_route_moves_between_interfaces_in_one_step() -> None:
    """`replace` takes it from the other interface: there is no moment without it, and nothing is left to remove."""
    before = second(conf(PRESS, port=51821), told())
    files = {**before.files, "/etc/wireguard/fs0.conf": (0o600, conf(PRESS, LAPTOP))}
    after = second(conf(PRESS, port=51821, routes=ROUTE), Told(files, told().units, told().masked))
    (command,) = plan_steps(before, after, running(before), {}).commands
    assert command.given == "route replace 10.0.0.2 dev fs1 src 10.0.0.1\n"


def test_the_proxy_is_reloaded_for_its_file_alone() -> None:
    """Reloaded and not restarted; another file leaves it alone."""
    found = steps(told(None, **{"haproxy.cfg": "frontend http\n"}))
    assert words(found) == ["systemctl reload haproxy.service"]
    assert "haproxy" not in " ".join(words(steps(told(conf(PRESS, routes=ROUTE)))))


def test_the_table_is_replaced_in_one_transaction_with_what_nobody_wants() -> None:
    """A chain that somebody added goes with the same transaction; the file is all that is loaded otherwise."""
    before = told()
    live = replace(running(before), table_extra=(("set", "mine"), ("chain", "mine")))
    (command,) = steps(before, before, live).commands
    assert command.words == ("nft", "-f", "-")
    assert command.given == (
        "table inet farshore {\n}\ndelete chain inet farshore mine\ndelete set inet farshore mine\n"
    )


def test_units_are_read_again_only_for_a_unit() -> None:
    """A changed timer is started anew; other files reload nothing."""
    timer = {"/etc/systemd/system/farshore-x.timer": (0o644, "[Timer]\n")}
    new = Told({**told().files, **timer}, (*told().units, "farshore-x.timer"), told().masked)
    assert words(steps(new)) == [
        "systemctl daemon-reload",
        "systemctl enable farshore-x.timer",
        "systemctl restart farshore-x.timer",
    ]


def test_a_unit_that_is_enabled_already_is_enabled_as_its_file_says_now() -> None:
    """Its [Install] may name another target; `enable` would leave the former one."""
    path = "/etc/systemd/system/haproxy.service"
    new = Told({**told().files, path: (0o644, "[Unit]\n")}, told().units, told().masked)
    assert words(steps(new)) == ["systemctl daemon-reload", "systemctl reenable haproxy.service"]


def test_a_unit_that_somebody_stopped_or_unmasked_is_put_right() -> None:
    """By the state that systemd says, without a file that changed."""
    before = told()
    live = running(before)
    live.units["haproxy.service"] = ("disabled", "inactive")
    live.units["nftables.service"] = ("disabled", "inactive")
    assert words(steps(before, before, live)) == [
        "systemctl mask --now nftables.service",
        "systemctl enable haproxy.service",
        "systemctl start haproxy.service",
    ]


def test_kernel_settings_are_set_where_they_differ() -> None:
    """By value, whatever the file was."""
    before = told()
    assert steps(before, before, replace(running(before), settings={"net.ipv4.ip_forward": "0"})).settings == (
        ("net.ipv4.ip_forward", "1"),
    )


def test_what_a_rollback_reopens_is_said_by_name() -> None:
    """Peers, interfaces, units, files and the table; nothing where nothing was closed."""
    old = second(conf(PRESS, port=51821), told())
    assert reopened(told(conf(PRESS, routes=ROUTE)), old) == [
        "fs0: peer laptop",
        "interface fs1",
        "unit wg-quick@fs1.service",
        "file /etc/wireguard/fs1.conf",
        "file /etc/farshore/keys/fs1.key",
        "file /etc/farshore/keys/fs1-press.psk",
    ]
    assert reopened(told(), told(conf(PRESS, routes=ROUTE))) == []
