"""User data is one line that cloud-init takes, with the host's own cloud-config in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from cloud_init import (
    MAX_USER_DATA_BYTES,
    RenderError,
    draft_user_data,
    placeholder,
    render_cloud_config,
    render_delivered,
    render_user_data,
)
from cloud_init.program import MODULES, PROGRAM_PATH, SEED, render_program
from tests.stacks import SETUP, changed, planned

if TYPE_CHECKING:
    from plan import Host, Plan


def origin(setup: str | None = None) -> Host:
    """Return the planned origin with a cloud-config of its own."""
    return replace(planned().origins[0], setup=setup)


def parsed(host: Host) -> dict[str, list[object]]:
    """Return a host's cloud-config as cloud-init reads it."""
    text = render_cloud_config(host, placeholder(host))
    assert text.startswith("#cloud-config\n")
    loaded: dict[str, list[object]] = yaml.safe_load(text)
    return loaded


def test_it_is_one_line_of_base64_of_gzip() -> None:
    """A newline anywhere, also at the end, would make cloud-init ignore all of it in silence."""
    host = planned().shields[0]
    text = render_user_data(host, placeholder(host))
    assert text == text.strip()
    assert "\n" not in text
    unpacked = gzip.decompress(base64.b64decode(text, validate=True)).decode()
    assert unpacked == render_cloud_config(host, placeholder(host))


@pytest.mark.parametrize("told", [True, False])
def test_who_is_told_more_is_born_with_the_seed_of_its_program(*, told: bool) -> None:
    """And has room for a setup of its own; a host that answers nobody has the whole, for nothing brings it later."""
    ssh = {"shields__falkenstein__ssh": ["198.51.100.0/24"]} if told else {}
    host = planned(changed(**ssh)).shields[0]
    text = gzip.decompress(base64.b64decode(render_user_data(host, placeholder(host)))).decode()
    assert text == render_cloud_config(host, placeholder(host), seed=told)
    program = {file["path"]: file["content"] for file in yaml.safe_load(text)["write_files"]}[PROGRAM_PATH]
    assert program == render_program(SEED if told else MODULES)


def test_its_header_says_nothing_of_the_machine() -> None:
    """No time and no operating system: the same text on every Python and every day."""
    host = origin()
    packed = base64.b64decode(render_user_data(host, placeholder(host)))
    assert packed[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
    assert render_user_data(host, placeholder(host)) == render_user_data(host, placeholder(host))


def test_the_hosts_own_lists_come_after_ours() -> None:
    """`setup` adds packages, files and commands, and replaces none of ours."""
    bare, joined = parsed(origin()), parsed(origin(SETUP))
    assert joined["packages"] == [*bare["packages"], "nginx"]
    assert joined["write_files"] == [*bare["write_files"], {"path": "/srv/page", "content": "hello"}]
    assert joined["runcmd"] == bare["runcmd"]


@pytest.mark.parametrize("key", ["ssh_pwauth: true", "disable_root: true", "ssh_keys: {}"])
def test_a_setup_cannot_open_a_way_in(key: str) -> None:
    """Keys on which the host's safety rests are refused with their name."""
    host = origin(f"#cloud-config\n{key}\n")
    with pytest.raises(
        RenderError, match=f"farshore:origins.press.setup: {key.split(':', maxsplit=1)[0]}, allowed: any other key"
    ):
        render_cloud_config(host, placeholder(host))


def test_a_setup_of_another_shape_is_refused() -> None:
    """Where we have a list, the host's own must be one."""
    host = origin("#cloud-config\npackages: nginx\n")
    with pytest.raises(RenderError, match=r"setup\.packages: str, allowed: a list"):
        render_cloud_config(host, placeholder(host))


def test_too_long_is_refused_with_the_limit() -> None:
    """What does not fit the API's 32 KiB is refused before anything is made; a byte less fits."""
    noise = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(800))
    host = origin(f"#cloud-config\nwrite_files: [{{path: /x, content: {noise}}}]\n")
    with pytest.raises(RenderError) as refused:
        render_user_data(host, placeholder(host))
    said = str(refused.value)
    assert re.fullmatch(
        r"the stack file has 1 fault\n  farshore:origins\.press: user data of 5\d{4} bytes, allowed: 32768 bytes at Hetzner; "
        r"its setup makes 4\d{4} of them: shorten it, or let it fetch what it needs",
        said,
    ), said
    small = origin(f"#cloud-config\nwrite_files: [{{path: /x, content: {noise[:20000]}}}]\n")
    assert len(render_user_data(small, placeholder(small))) <= MAX_USER_DATA_BYTES


def crowded(count: int, **more: Any) -> Plan:
    """Return a plan of one shield with so many origins, and a domain for each."""
    press = {"account": "vault", "location": "hel1", "shields": ["falkenstein"], "services": {"web": {"port": 8080}}}
    slots = [slot for slot in range(2, 2000) if slot % 256 not in {0, 1, 255}]
    return planned(
        changed(
            origins={f"o{n}": {**press, "slot": slots[n]} for n in range(count)},
            domains={f"d{n}.example.com": {"origin": f"o{n}", "service": "web"} for n in range(count)},
            **more,
        )
    )


def test_two_generations_that_do_not_fit_are_born_as_the_active_one() -> None:
    """The first bundle brings the other, so a host that delivery does not reach is refused instead."""
    standing: dict[str, Any] = {"generations": [1, 2], "active": 2}
    shield = crowded(100, **standing, shields__falkenstein__ssh=["198.51.100.0/24"]).shields[0]
    packed = render_user_data(shield, placeholder(shield))
    assert len(packed) <= MAX_USER_DATA_BYTES
    text = gzip.decompress(base64.b64decode(packed)).decode()
    assert "/etc/wireguard/fs1.conf" in text
    assert "/etc/wireguard/fs0.conf" not in text
    assert text.count("[Peer]") == 100
    assert "/etc/wireguard/fs0.conf" in draft_user_data([shield])["falkenstein"]
    with pytest.raises(RenderError, match="of its 200 peers and 100 domains fit"):
        draft_user_data(crowded(100, **standing).shields)


def test_a_shield_with_too_many_peers_is_refused_with_what_fits() -> None:
    """The words name the host, the size, the limit, and how much of it would fit; 105 peers do."""
    with pytest.raises(RenderError) as refused:
        draft_user_data(crowded(400).shields)
    said = str(refused.value)
    assert re.fullmatch(
        r"the stack file has 1 fault\n  farshore:shields\.falkenstein: user data of 9\d{4} bytes, allowed: 32768 bytes at "
        r"Hetzner; about 3\d % of its 400 peers and 400 domains fit; name in its ssh from where it can be told the rest, "
        r"or put the rest behind further shields",
        said,
    ), said
    assert list(draft_user_data(crowded(105).shields)) == ["falkenstein"]


def test_a_shield_that_can_be_told_is_born_alone_where_its_peers_do_not_fit() -> None:
    """A thousand of them come by the first bundle: it is born closed but for delivery, and knows nobody."""
    shield = crowded(1000, shields__falkenstein__ssh=["198.51.100.0/24"]).shields[0]
    packed = render_user_data(shield, placeholder(shield))
    assert len(packed) <= MAX_USER_DATA_BYTES
    text = gzip.decompress(base64.b64decode(packed)).decode()
    assert "198.51.100.0/24" in text
    assert "[Peer]" not in text
    assert "example.com" not in text
    assert "203.0.113." not in text
    told = render_delivered(shield, placeholder(shield), sequence=1)
    assert told.count("\\n[Peer]\\n") == 1000


def test_an_origin_with_too_many_tunnels_is_refused_with_what_fits() -> None:
    """It has no domains, and no setup to shorten; 200 shields are too many, 20 are not."""

    def behind(count: int) -> Plan:
        shields = {f"s{n}": {"slot": n, "account": "edge", "location": "fsn1"} for n in range(count)}
        return planned(changed(shields=shields, origins__press__shields=list(shields)))

    with pytest.raises(
        RenderError, match=r"press: user data of .* % of its 200 peers fit, give it fewer shields and mesh links$"
    ):
        draft_user_data(behind(200).origins)
    assert list(draft_user_data(behind(20).origins)) == ["press"]


def test_all_hosts_that_do_not_fit_are_told_together() -> None:
    """Nobody mends one host to hear of the next; what a setup may not say is among it."""
    plan = planned()
    long = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(800))
    hosts = (
        replace(plan.shields[0], setup=f"#cloud-config\nruncmd: [[{long}]]\n"),
        replace(plan.origins[0], setup="#cloud-config\nssh_keys: {}\npackages: nginx\n"),
    )
    with pytest.raises(RenderError) as refused:
        draft_user_data(hosts)
    first, *faults = str(refused.value).splitlines()
    assert first == "the stack file has 3 faults"
    assert faults[:2] == [
        "  farshore:origins.press.setup: ssh_keys, allowed: any other key; remove it, Farshore sets it",
        "  farshore:origins.press.setup.packages: str, allowed: a list; Farshore adds to it",
    ]
    assert faults[2].startswith("  farshore:shields.falkenstein: user data of ")


def test_every_file_has_a_quoted_mode_and_secrets_are_0600() -> None:
    """An unquoted mode would be read as a number and give the file other rights."""
    text = render_cloud_config(origin(), placeholder(origin()))
    files = yaml.safe_load(text)["write_files"]
    assert all(isinstance(file["permissions"], str) for file in files)
    modes = {file["path"]: file["permissions"] for file in files}
    secret = {path for path in modes if path.startswith(("/etc/farshore/keys/", "/etc/wireguard/"))}
    assert len(secret) == 3
    assert {modes[path] for path in secret | {"/etc/farshore/farshore.nft"}} == {"0600"}


def test_the_first_thing_done_is_to_close() -> None:
    """Before any package or file the fallback is loaded and Debian's own service masked, once per instance."""
    (command,) = parsed(origin())["bootcmd"]
    assert isinstance(command, list)
    assert command[:3] == ["cloud-init-per", "once", "farshore-closed"]
    assert "mask --now nftables.service\n" in command[-1]
    assert "policy drop" in command[-1]


def test_on_debian_13_sshd_is_nowhere_but_on_its_port() -> None:
    """The sockets that no firewall sees are masked with the rest; Debian 12 has none."""
    (command,) = parsed(planned(changed(origins__press__image="debian-13")).origins[0])["bootcmd"]
    assert isinstance(command, list)
    assert "mask --now nftables.service sshd-unix-local.socket sshd-vsock.socket\n" in command[-1]


def test_a_shield_learns_where_its_origin_is_and_a_stranger_does_not() -> None:
    """An origin's public address stands in the firewall of its own shields, in a file for root alone."""
    config = changed(
        shields__ashburn={"slot": 1, "account": "edge", "location": "ash"},
    )
    plan = planned(config)
    address = placeholder(plan.shields[0]).values["ipv4:press"]
    texts = {host.name: render_cloud_config(host, placeholder(host)) for host in plan.shields}
    assert address in texts["falkenstein"]
    assert address not in texts["ashburn"]
