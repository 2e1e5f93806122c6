"""What the programs of a host print is read as it is: as seen on Debian 12."""

from __future__ import annotations

import json

from cloud_init.host.interface import parse_interface
from cloud_init.host.live import LiveInterface, add_addresses, add_routes, compare_tables, parse_dump, settings_of
from cloud_init.host.prove import inner_addresses, is_expected
from cloud_init.host.rollback import without_keys
from cloud_init.host.status import changed_files
from tests.host.stories import LAPTOP, PRESS, ROUTE, conf, key, told

DUMP = (
    f"fs0\t{key(1)}\t{key(11)}\t51820\toff\n"
    f"fs0\t{key(2)}\t{key(9)}\t192.0.2.6:51820\t10.0.0.2/32,fd06::2/128\t1795296000\t100\t200\t25\n"
    f"fs0\t{key(3)}\t(none)\t(none)\t(none)\t0\t0\t0\toff\n"
    f"fs1\t{key(4)}\t{key(14)}\t51821\t0x1\n"
)
ADDRESSES = [
    {
        "ifname": "fs0",
        "mtu": 1420,
        "addr_info": [
            {"local": "10.0.0.1", "prefixlen": 32, "scope": "global"},
            {"local": "fd06::1", "prefixlen": 128, "scope": "global"},
            {"local": "fe80::1", "prefixlen": 64, "scope": "link"},
        ],
    },
    {"ifname": "eth0", "mtu": 1500, "addr_info": [{"local": "192.0.2.1", "prefixlen": 32, "scope": "global"}]},
]
ROUTES = [
    {"dst": "10.0.0.2", "dev": "fs0", "prefsrc": "10.0.0.1", "metrics": [{"mtu": 1380}]},
    {"dst": "192.168.7.0/24", "dev": "fs0", "prefsrc": "10.0.0.1"},
    {"dst": "default", "dev": "eth0", "gateway": "192.0.2.254"},
    {"dst": "fd06::1", "dev": "fs0", "protocol": "kernel"},
    {"dst": "default", "dev": "fs0", "prefsrc": "fd06::1"},
]


def test_interfaces_and_peers_are_read_from_a_dump() -> None:
    """None, off and 0 are nothing; a private key is kept in memory and shown by nothing."""
    found = parse_dump(DUMP)
    assert set(found) == {"fs0", "fs1"}
    assert found["fs0"].listen_port == 51820
    press, laptop = (found["fs0"].peers[key(number)] for number in (2, 3))
    assert (press.psk, press.endpoint, press.keepalive_s) == (key(9), "192.0.2.6:51820", 25)
    assert press.allowed_ips == {"10.0.0.2", "fd06::2"}
    assert (laptop.psk, laptop.endpoint, laptop.allowed_ips, laptop.handshake_s) == ("", "", frozenset(), 0)
    assert key(1) not in repr(found)
    assert key(9) not in repr(found)
    assert "192.0.2.6" not in repr(found)


def test_addresses_and_routes_are_added_to_our_interfaces_alone() -> None:
    """The kernel's own routes and link-local addresses are not ours; a default route has its family's form."""
    found = {"fs0": LiveInterface()}
    add_addresses(found, json.dumps(ADDRESSES))
    add_routes(found, json.dumps(ROUTES))
    assert (found["fs0"].mtu_bytes, found["fs0"].addresses) == (1420, {"10.0.0.1", "fd06::1"})
    assert found["fs0"].routes == {
        "10.0.0.2": ("10.0.0.1", 1380),
        "192.168.7.0/24": ("10.0.0.1", 0),
        "::/0": ("fd06::1", 0),
    }
    add_routes(found, "")  # what `ip` prints where there is nothing
    assert len(found["fs0"].routes) == 3


def test_tables_are_compared_by_their_parts_in_any_order() -> None:
    """A chain that differs and one that is missing are named; one that nobody wants is told apart."""
    wanted = (
        "table inet farshore {\n\tcounter a {\n\t}\n\n\tchain x {\n\t\taccept\n\t}\n\n\tchain y {\n\t\tdrop\n\t}\n}\n"
    )
    live = (
        "table inet farshore {\n\tchain y {\n\t\tdrop\n\t}\n\n\tcounter a {\n\t}\n\n\tchain x {\n\t\taccept\n\t}\n}\n"
    )
    assert compare_tables(live, wanted) == ((), ())
    changed = live.replace("accept", "drop").replace("chain y", "chain z")
    assert compare_tables(changed, wanted) == (("chain x", "chain y"), (("chain", "z"),))
    assert compare_tables("", wanted) == (("counter a", "chain x", "chain y"), ())


def test_settings_are_read_from_files_of_sysctl_alone() -> None:
    """By name; comments and other files say none."""
    files = told(None, sysctl="# net.x = 3\nnet.ipv4.ip_forward = 1\nnet.ipv6.conf.all.forwarding = 0\n").files
    files["/etc/farshore/tunnel.env"] = (0o644, "net.y = 1\n")
    assert settings_of(files) == {"net.ipv4.ip_forward": "1", "net.ipv6.conf.all.forwarding": "0"}


def test_only_hosts_are_expected_to_be_there() -> None:
    """Who shares a key with us, is dialled, or is looked up by name; a device comes and goes."""
    press, laptop = parse_interface("fs0", conf(PRESS, LAPTOP, routes=ROUTE)).peers
    assert is_expected(press, "")
    assert not is_expected(laptop, "")
    assert is_expected(laptop, f"fs0 {laptop.public_key} shield.example.com:51820\n")
    assert inner_addresses(press) == ["10.0.0.2"]


def test_a_revoked_key_is_taken_out_of_everything_that_admits_it() -> None:
    """Its section, its shared key's file and its name to look up; others stay, and without one nothing changes."""
    names = f"fs0 {key(2)} a.example.com:51820\nfs0 {key(3)} b.example.com:51820\n"
    before = told(None, **{"/etc/farshore/endpoints": names})
    left = without_keys(before, frozenset({key(2)}))
    assert "/etc/farshore/keys/fs0-press.psk" not in left.files
    assert left.files["/etc/farshore/endpoints"][1] == f"fs0 {key(3)} b.example.com:51820\n"
    assert not [path for path, (_, content) in left.files.items() if key(2) in content]
    assert without_keys(before, frozenset({key(8)})).files == before.files


def test_a_file_that_was_changed_by_hand_is_named() -> None:
    """Its rights, its content, or that it is gone; a secret one by its time and length, which is no hash of it."""
    record = {
        "files": [
            {"path": "/a", "mode": 0o644, "secret": False, "content": "a"},
            {"path": "/b", "mode": 0o600, "secret": True},
        ]
    }
    same = {"/a": (0o644, "a"), "/b": (0o600, "secret")}
    assert changed_files(record, same, {"/b": None}) == []
    assert changed_files(record, {**same, "/a": (0o600, "a")}, {"/b": None}) == ["file /a: other rights"]
    assert changed_files(record, {**same, "/a": (0o644, "b")}, {"/b": None}) == ["file /a: written by hand"]
    assert changed_files(record, {"/a": (0o644, "a")}, {"/b": None}) == ["file /b: gone"]
    assert changed_files(record, same, {"/b": [1, 2]}) == ["file /b: written by hand"]
