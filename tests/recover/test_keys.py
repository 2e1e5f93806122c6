"""What hosts have becomes the keys of a new state, under the names that the program gives them; what is strange is refused."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from cloud_init.bundle import render_bundle
from cloud_init.host.document import Document, Told, parse_document
from cloud_init.host.journal import record_of
from cloud_init.material import Material
from components.keys import preshared_key, ssh_birth_key, ssh_key, wireguard_key
from tests.components.recording import record
from tests.components.test_delivery import STASH, program
from tests.stacks import changed, planned
from tools.recover_hosts import fingerprint, judge_host_keys, read_host_keys
from tools.recover_keys import (
    Reading,
    RecoverError,
    birth_name,
    delivery_name,
    find_keys,
    fresh_key,
    parse_reading,
)
from tools.recover_rows import disturbances, founded
from tools.recover_told import tell_program, with_root_keys

if TYPE_CHECKING:
    from plan import Host, Plan

GLASS = {
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f ops",
    "sources": ["198.51.100.0/24"],
}
LAPTOP = {"slot": 200, "public_key": base64.b64encode(bytes([23]) * 32).decode(), "reach": ["press/web"]}
VALUES: dict[str, Any] = {"generations": [1, 2], "break_glass": GLASS, "operators__laptop": LAPTOP}
SHARED = preshared_key()["private"]
PSKS = {"secrets__psks": {"laptop": SHARED}}


def material(plan: Plan) -> Material:
    """Return new keys and addresses for everything that a plan's hosts are told."""
    values: dict[str, str] = {}
    for host in plan.hosts:
        for interface in host.interfaces:
            key = wireguard_key()
            values |= {str(interface.private_key): key["private"], str(interface.public_key): key["public"]}
        birth = ssh_birth_key()
        values |= {f"ssh-private:{host.name}": birth["private"], f"ssh-public:{host.name}": birth["public"]}
        values |= {str(ref): ssh_key()["public"] for ref in host.delivery_keys}
        values |= {f"ipv4:{host.name}": f"192.0.2.{host.slot + 1}", f"ipv6:{host.name}": f"2001:db8:{host.slot}::"}
    return Material(values | {str(t.psk): preshared_key()["private"] for t in plan.tunnels} | {"psk:laptop": SHARED})


def said(host: Host, told: Material) -> dict[str, Any]:
    """Return what a host prints that was told its bundle and confirmed it."""
    bundle = render_bundle(host, told)
    files = {file.path: (int(file.mode, 8), file.content) for file in bundle.files}
    secret = frozenset(file.path for file in bundle.files if file.secret)
    identity = {"stack": host.stack, "host": host.name}
    document = Document(Told(files, bundle.units, bundle.masked), secret, (), 1, "sha256:0")
    secrets = {path: files[path][1] for path in secret}
    return {"identity": identity, "pending": False, "record": record_of(document, identity), "secrets": secrets}


def readings(plan: Plan, told: Material) -> dict[str, Reading]:
    """Return what all hosts have."""
    return {host.name: parse_reading(host, json.dumps(said(host, told))) for host in plan.hosts}


def test_every_key_that_the_program_asks_for_is_found_or_can_be_made_anew() -> None:
    """WireGuard's are the hosts' own, by the names of the program; the rest are delivery's and those of births."""
    plan = planned(changed(**VALUES, **PSKS))
    told = material(plan)
    found = find_keys(plan, readings(plan, told))
    asked = {name for kind, name in record(program(None, **VALUES)).asked if kind == STASH}
    assert len(found.stashes) == 2 * 3
    assert found.stashes.keys() < asked
    made = asked - found.stashes.keys()
    assert made == {delivery_name(host, one) for host in plan.hosts for one in (1, 2)} | {
        birth_name(host) for host in plan.hosts
    }
    for name in made:
        assert fresh_key(name)["public"].split()[0] == (
            "ssh-ed25519" if name.endswith("delivery") else "ecdsa-sha2-nistp256"
        )
    for host in plan.hosts:
        for interface in host.interfaces:
            key = found.stashes[f"farshore-keys-{host.name}-g{interface.generation}-{interface.name}"]
            assert key == {"private": told.text(interface.private_key), "public": told.text(interface.public_key)}
    assert found.stashes["farshore-keys-falkenstein-press-g2-psk"] == {
        "private": told.values["psk:falkenstein/press/2"]
    }
    assert (found.devices, found.notes) == ({"laptop": SHARED}, ())


def test_a_key_that_was_made_on_its_host_is_found_where_it_lies_there() -> None:
    """The new state has it, so that no tunnel gets another, and it is said; the other end's is no news."""
    plan = planned(changed(**VALUES))
    told = material(plan)
    there = readings(plan, told)
    (press,) = plan.origins
    text = json.dumps(said(press, told))
    assert "keys/fs0g1.key" in text
    there["press"] = parse_reading(press, text.replace("keys/fs0g1.key", "keys/fs0g1.own2.key"))
    found = find_keys(plan, there)
    assert found.stashes == find_keys(plan, readings(plan, told)).stashes
    assert found.notes == ("host press: the key of fs0g1 was made there; it is the state's as well now",)


def test_ends_that_share_no_key_are_told_by_the_next_up() -> None:
    """The shield's is taken, and it is said; of a tunnel that neither end knows yet, a new one."""
    plan = planned(changed(**VALUES))
    told, other = material(plan), material(plan)
    near = readings(plan, told)["falkenstein"]
    mixed = {"falkenstein": near, "press": readings(plan, other)["press"]}
    found = find_keys(plan, mixed)
    assert found.stashes["farshore-keys-falkenstein-press-g1-psk"]["private"] == told.values["psk:falkenstein/press/1"]
    assert "tunnel falkenstein to press: not the same at both ends; the next `up` tells them" in found.notes


@pytest.mark.parametrize(
    ("standing", "asked", "fault"),
    [
        ([1, 2], [1], "host falkenstein: /etc/farshore/keys/fs1.key, allowed: the keys of its interfaces in the stack"),
        (
            [1],
            [1, 2],
            "host press: no /etc/farshore/keys/fs0g1.key, allowed: the keys of all its interfaces in the sta",
        ),
    ],
)
def test_another_days_stack_file_is_refused(standing: list[int], asked: list[int], fault: str) -> None:
    """With more or fewer keys than the hosts have: `up` would take those away by which they send."""
    ran = planned(changed(**{**VALUES, "generations": standing}))
    with pytest.raises(RecoverError) as refused:
        find_keys(planned(changed(**{**VALUES, "generations": asked})), readings(ran, material(ran)))
    assert fault in str(refused.value)


@pytest.mark.parametrize(
    ("strange", "fault"),
    [
        ({"identity": {"stack": "dev", "host": "drop"}}, "calls itself 'drop' of stack 'dev', allowed: 'press' of 'dev'"),
        ({"pending": True}, "host press: a change that nobody confirmed, allowed: none; wait"),
        ({"record": None}, "host press: without a record of what it was told, allowed: all that it was told"),
        ({"secrets": {"/etc/farshore/keys/fs0g0.key": None}}, "host press: without /etc/farshore/keys/fs0g0.key"),
        ({"secrets": 7}, "host press: no answer that can be read"),
    ],
)  # fmt: skip
def test_a_host_that_is_not_what_it_should_be_is_refused(strange: dict[str, Any], fault: str) -> None:
    """Another one, one in the middle of a change, one that has lost something: named, and without a word of its keys."""
    plan = planned(changed(**VALUES))
    press = plan.origins[0]
    told = said(press, material(plan))
    with pytest.raises(RecoverError) as refused:
        parse_reading(press, json.dumps({**told, **strange}))
    assert fault in str(refused.value)
    with pytest.raises(RecoverError, match="no answer that can be read"):
        parse_reading(press, "Linux press 6.1.0")


def test_a_host_is_told_what_it_was_told_with_another_key_of_deliverys_and_nothing_else() -> None:
    """The host's own program takes it; one file differs, and the break-glass key is still in it."""
    plan = planned(changed(**VALUES, shields__falkenstein__ssh=["198.51.100.0/24"]))
    read, keys = (
        readings(plan, material(plan)),
        {delivery_name(host, one): ssh_key() for host in plan.hosts for one in (1, 2)},
    )
    for host in plan.hosts:
        document, digest = with_root_keys(host, read[host.name], keys)
        taken = parse_document(document.encode(), dict(read[host.name].identity))
        assert taken.digest == digest
        before: dict[str, dict[str, Any]] = {file["path"]: file for file in read[host.name].record["files"]}
        assert taken.told.files.keys() == before.keys()
        differs = [
            path
            for path, (mode, content) in taken.told.files.items()
            if content != before[path].get("content", read[host.name].secrets.get(path)) or mode != before[path]["mode"]
        ]
        assert differs == ["/etc/farshore/root-keys"]
        text = str(taken.told.files["/etc/farshore/root-keys"][1])
        assert str(GLASS["public_key"]) in text
        assert all(keys[delivery_name(host, one)]["public"] in text for one in (1, 2))
        compile(tell_program(ssh_birth_key(), document), "told", "exec")


def test_a_host_key_is_what_a_file_says_or_it_goes_no_further() -> None:
    """Another key, and a host that the file does not have, are named with both fingerprints."""
    seen = {name: " ".join(ssh_key()["public"].split()[:2]) for name in ("falkenstein", "press")}
    text = "".join(f"{name} {key} comment\n" for name, key in seen.items())
    kept = {name: (key,) for name, key in seen.items()}
    assert read_host_keys(f"# kept\n{text}") == kept
    judge_host_keys(seen, read_host_keys(text), "kept.keys")
    next_ones = "".join(f"{name} ecdsa-sha2-nistp384 AAAA{name}\n" for name in seen)
    judge_host_keys(seen, read_host_keys(text + next_ones), "kept.keys")
    with pytest.raises(RecoverError) as refused:
        judge_host_keys({"falkenstein": seen["press"], "drop": seen["press"]}, kept, "kept.keys")
    shown, allowed = fingerprint(seen["press"]), fingerprint(seen["falkenstein"])
    assert str(refused.value).splitlines() == [
        f"host falkenstein: host key {shown}, allowed: {allowed}, as kept.keys says; do not go on",
        f"host drop: host key {shown}, allowed: one that kept.keys names",
    ]


def test_a_fingerprint_is_what_ssh_keygen_prints() -> None:
    """Of a key whose fingerprint is known from there."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
    assert fingerprint(key) == "SHA256:ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"type": "pulumi:index:Stash", "provider": "urn:pulumi:dev::farshore::pulumi:providers:pulumi::default::1"}, "key press-token: on no host"),
        ({"type": "pulumi:providers:hcloud", "inputs": {"password": "[secret]"}}, "a secret password, allowed: an account's token"),
    ],
)  # fmt: skip
def test_a_secret_that_nobody_knows_is_refused(row: dict[str, Any], said: str) -> None:
    """A version that keeps other keys is not given random ones in their place."""
    urn = f"urn:pulumi:dev::farshore::{row['type']}::press-token"
    preview = json.dumps({"steps": [{"op": "create", "newState": {"urn": urn, "custom": True, **row}}]})
    export: dict[str, Any] = {"deployment": {}}
    with pytest.raises(RecoverError, match=said):
        founded(export, preview, keys={}, tokens={}, born=datetime.now(UTC), make_id=lambda: "1")


def test_what_up_would_make_take_away_or_replace_at_the_accounts_is_told() -> None:
    """A change in place and what is no object at an account are not."""
    urn = "urn:pulumi:dev::farshore::hcloud:index/server:Server::farshore-edge.falkenstein-server"
    row = {"urn": urn, "type": "hcloud:index/server:Server"}
    command = {"urn": "urn:pulumi:dev::farshore::command:remote:Command::x", "type": "command:remote:Command"}
    steps = [{"op": op, "newState": row} for op in ("same", "update", "replace", "create")]
    steps += [{"op": "delete", "oldState": row}, {"op": "create", "newState": command}]
    name = "Server farshore-edge.falkenstein-server"
    assert disturbances(json.dumps({"steps": steps})) == [f"replace {name}", f"create {name}", f"delete {name}"]
