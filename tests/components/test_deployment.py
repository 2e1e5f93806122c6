"""What Pulumi is asked for: the wiring, and nothing that a provider would decide."""

from __future__ import annotations

import base64
import gzip
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from cloud_init import RenderError
from components import Deployment
from plan import StackError, check, make_plan
from plan.standing import Standing, read_standing, told_to
from tests.components.recording import Recorder, is_secret, record, run, unwrap
from tests.stacks import SMALLEST, changed, loaded

if TYPE_CHECKING:
    from collections.abc import Callable

SERVER = "hcloud:index/server:Server"
ADDRESS = "hcloud:index/primaryIp:PrimaryIp"
FIREWALL = "hcloud:index/firewall:Firewall"
KEY = "hcloud:index/sshKey:SshKey"
STASH = "pulumi:index:Stash"


def program(
    config: dict[str, Any] | None = None, name: str = "farshore", standing: Standing | None = None
) -> Callable[[], pulumi.Output[Any]]:
    """Return a program that makes one deployment and awaits what it exports."""

    def build() -> pulumi.Output[Any]:
        stack, secrets = loaded(config)
        plan = make_plan(stack)
        deployment = Deployment(name, plan=plan, findings=check(plan), secrets=secrets, standing=standing)
        return pulumi.Output.from_input(deployment.exports)

    return build


def told(recorder: Recorder, server: str) -> dict[str, Any]:
    """Return the cloud-config that a server was asked to be made with."""
    text = unwrap(recorder.asked[SERVER, server]["userData"])
    parsed: dict[str, Any] = yaml.safe_load(gzip.decompress(base64.b64decode(text)))
    return parsed


def hidden_addresses(recorder: Recorder) -> list[str]:
    """Return the origin's public addresses, as its shield's cloud firewall was told them."""
    firewall = unwrap(recorder.asked[FIREWALL, "farshore-edge.falkenstein-firewall"])
    return [source.split("/")[0].rstrip(":") for source in firewall["rules"][2]["sourceIps"]]


def test_one_shield_and_one_origin_ask_for_this_and_no_more() -> None:
    """Every resource by type and name: two of everything, one for each host."""
    asked = record(program()).asked
    assert sorted(name for kind, name in asked if kind == SERVER) == [
        "farshore-edge.falkenstein-server",
        "farshore-vault.press-server",
    ]
    assert sorted(name for kind, name in asked if kind == ADDRESS) == [
        "farshore-edge.falkenstein-ipv4",
        "farshore-edge.falkenstein-ipv6",
        "farshore-vault.press-ipv4",
        "farshore-vault.press-ipv6",
    ]
    assert sorted(name for kind, name in asked if kind == STASH) == [
        "farshore-keys-falkenstein-delivery",
        "farshore-keys-falkenstein-g1-fs0",
        "farshore-keys-falkenstein-press-g1-psk",
        "farshore-keys-falkenstein-ssh-birth",
        "farshore-keys-press-delivery",
        "farshore-keys-press-g1-fs0g0",
        "farshore-keys-press-ssh-birth",
    ]
    assert sorted(name for kind, name in asked if kind == "pulumi:providers:hcloud") == [
        "farshore-edge-provider",
        "farshore-vault-provider",
    ]


def test_every_cloud_resource_has_the_provider_of_its_account() -> None:
    """Nothing goes to a default provider, and nothing to the other account."""
    recorder = record(program())
    for kind, name in recorder.asked:
        if kind.startswith("hcloud:"):
            account = "edge" if "falkenstein" in name else "vault"
            assert f"::farshore-{account}-provider::" in recorder.providers[name], name


def test_every_cloud_resource_is_named_after_its_account() -> None:
    """The name is all that Pulumi tells of a resource that failed; what is in no account has none in its name."""
    for kind, name in record(program()).asked:
        if kind.startswith("hcloud:"):
            account, host = ("edge", "falkenstein") if "falkenstein" in name else ("vault", "press")
            assert name.startswith(f"farshore-{account}.{host}-")
        if kind == STASH:
            assert "." not in name


def test_an_account_and_a_host_with_dashes_are_taken_for_no_other() -> None:
    """Host `b-c` of account `a` and host `c` of account `a-b`: a dot stands between, and no name has one."""
    config = changed(
        accounts={
            "edge": {"company": "Hetzner Online GmbH", "home": "DE"},
            "a": {"company": "Hetzner Finland Oy", "home": "FI"},
            "a-b": {"company": "Hetzner Finland Oy", "home": "FI"},
        },
        secrets={"tokens": {"edge": "e" * 64, "a": "a" * 64, "a-b": "b" * 64}},
        origins={
            "b-c": {"slot": 2, "account": "a", "location": "hel1", "shields": ["falkenstein"]},
            "c": {"slot": 3, "account": "a-b", "location": "hel1", "shields": ["falkenstein"]},
        },
        domains={},
    )
    servers = [name for kind, name in record(program(config)).asked if kind == SERVER]
    assert sorted(servers) == ["farshore-a-b.c-server", "farshore-a.b-c-server", "farshore-edge.falkenstein-server"]


def test_user_data_keys_and_tokens_arrive_as_secrets() -> None:
    """What must not be read is marked when Pulumi receives it."""
    asked = record(program()).asked
    for (kind, name), inputs in asked.items():
        if kind == SERVER:
            assert is_secret(inputs["userData"]), name
        if kind == STASH:
            assert is_secret(inputs["input"]), name
        if kind == "pulumi:providers:hcloud":
            assert is_secret(inputs["token"]), name


def test_public_keys_do_not_arrive_as_secrets() -> None:
    """A public half is shown in previews; marked secret, every difference would read [secret]."""
    asked = record(program()).asked
    key = asked[KEY, "farshore-vault.press-key"]["publicKey"]
    assert not is_secret(key)
    assert key.startswith("ssh-ed25519 ")


def test_an_origins_address_is_a_secret_wherever_it_goes() -> None:
    """The shield's cloud firewall names it, as a secret; a shield's own address is none."""
    asked = record(program()).asked
    # The SDK's mocks lift a nested secret to the whole property.
    assert is_secret(asked[FIREWALL, "farshore-edge.falkenstein-firewall"]["rules"])
    assert not is_secret(asked[FIREWALL, "farshore-vault.press-firewall"]["rules"])


def test_no_firewall_is_empty() -> None:
    """An empty list of rules is never sent by the provider, so there is none."""
    asked = record(program()).asked
    firewalls = [inputs for (kind, _), inputs in asked.items() if kind == FIREWALL]
    assert len(firewalls) == 2
    assert all(firewall["rules"] for firewall in firewalls)


def test_a_range_of_ports_is_written_as_the_provider_takes_it() -> None:
    """An origin behind more shields than the provider has room for: one rule; behind one, one port."""
    shields = {f"s{n}": {"slot": n, "account": "edge", "location": "fsn1"} for n in range(16)}
    many = changed(shields=shields, origins__press__shields=list(shields))
    for config, ports in ((many, ["51820-51850"]), (None, ["51820"])):
        firewall = unwrap(record(program(config)).asked[FIREWALL, "farshore-vault.press-firewall"])
        assert [rule["port"] for rule in firewall["rules"]] == ports


def test_a_server_has_its_own_addresses_firewall_and_key() -> None:
    """Addresses by number, the key by id, the image by name."""
    asked = record(program()).asked
    server = asked[SERVER, "farshore-vault.press-server"]
    assert server["name"] == "dev-press"
    assert server["image"] == "debian-12"
    assert len(server["firewallIds"]) == len(server["sshKeys"]) == 1
    assert server["publicNets"][0]["ipv4"] != server["publicNets"][0]["ipv6"]


def test_names_and_labels_in_one_account_never_mention_the_other_host() -> None:
    """Who looks into one account learns nothing of the other."""
    for (kind, name), inputs in record(program()).asked.items():
        if kind.startswith("hcloud:"):
            own, other = ("falkenstein", "press") if "falkenstein" in name else ("press", "falkenstein")
            said = str({key: value for key, value in inputs.items() if key in {"name", "labels", "rules"}})
            assert other not in said, name
            assert own in said, name


def test_both_ends_are_told_matching_keys() -> None:
    """The public key in one end's configuration is the half of the private key at the other."""
    recorder = record(program())
    files = {
        host: {
            file["path"]: file["content"] for file in told(recorder, f"farshore-{account}.{host}-server")["write_files"]
        }
        for account, host in (("edge", "falkenstein"), ("vault", "press"))
    }
    stashes = {name: unwrap(inputs["input"]) for (kind, name), inputs in recorder.asked.items() if kind == STASH}
    shield, origin = stashes["farshore-keys-falkenstein-g1-fs0"], stashes["farshore-keys-press-g1-fs0g0"]
    assert files["falkenstein"]["/etc/farshore/keys/fs0.key"] == shield["private"] + "\n"
    assert f"PublicKey = {origin['public']}\n" in files["falkenstein"]["/etc/wireguard/fs0.conf"]
    assert f"PublicKey = {shield['public']}\n" in files["press"]["/etc/wireguard/fs0g0.conf"]
    psk = files["falkenstein"]["/etc/farshore/keys/fs0-press.psk"]
    assert psk == files["press"]["/etc/farshore/keys/fs0g0-falkenstein.psk"]
    for private in (shield["private"], origin["private"], psk.strip()):
        assert len(base64.b64decode(private)) == 32
        assert private not in files["falkenstein"]["/etc/wireguard/fs0.conf"]


def test_two_deployments_can_live_in_one_stack() -> None:
    """Children carry the component's name, so a second deployment clashes with nothing."""

    def build() -> pulumi.Output[Any]:
        return pulumi.Output.all(program(name="one")(), program(name="two")())

    asked = record(build).asked
    assert (SERVER, "one-vault.press-server") in asked
    assert (SERVER, "two-vault.press-server") in asked


def test_the_exports_hold_no_secret_and_no_origins_address() -> None:
    """Tunnel addresses and shields' addresses are for everybody; an origin's is for nobody."""
    seen: dict[str, Any] = {}

    def build() -> pulumi.Output[Any]:
        def keep(exports: dict[str, Any]) -> None:
            seen.update(exports)

        return program()().apply(keep)

    hidden = hidden_addresses(record(build))
    assert hidden
    assert seen["origins"]["www.example.com"]["address"] == "10.0.0.2"
    assert set(seen) == {"origins", "shields", "dns", "tunnels", "devices", "diagram", "standing"}
    assert [(record["name"], record["type"]) for record in seen["dns"]] == [
        ("secure.example.com", "A"),
        ("secure.example.com", "AAAA"),
        ("www.example.com", "A"),
        ("www.example.com", "AAAA"),
    ]
    assert not [address for address in hidden if f"{address}'" in str(seen) or f"{address}:" in str(seen)]
    assert seen["shields"]["falkenstein"]["ipv6"].endswith("::1")
    assert seen["tunnels"]["falkenstein/fs0"]["endpoint"] == f"{seen['shields']['falkenstein']['ipv4']}:51820"
    assert seen["tunnels"]["press/fs0g0"]["endpoint"] is None


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        ({"host": "vpn.example.com", "port": 4500}, "vpn.example.com:4500"),
        ({"host": "2001:db8::7"}, "[2001:db8::7]:51820"),
        ("none", None),
    ],
)
def test_a_shield_behind_something_is_told_of_as_it_is_dialled(said: object, endpoint: str | None) -> None:
    """A name or an address of the stack file stands in the outputs, not the server's own; `none` is nothing."""
    seen: dict[str, Any] = {}
    shields = {"falkenstein": {**SMALLEST["shields"]["falkenstein"], "wireguard": {"endpoint": said}}}

    def build() -> pulumi.Output[Any]:
        def keep(exports: dict[str, Any]) -> None:
            seen.update(exports)

        return program(changed(shields=shields))().apply(keep)

    record(build)
    assert seen["tunnels"]["falkenstein/fs0"]["endpoint"] == endpoint


def test_the_exports_say_what_each_running_server_was_told() -> None:
    """The next run reads it back: the server's own number, slot, network, addresses, shields, and a digest of all."""
    seen: dict[str, Any] = {}
    recorder = record(lambda: program()().apply(seen.update))
    plan = make_plan(loaded()[0])
    standing = read_standing(seen["standing"])
    assert list(standing.hosts) == ["falkenstein", "press"]
    assert standing.hosts["press"].addresses == ("10.0.0.2", "fda1:553b:6464::2")
    assert standing.hosts["press"].server != standing.hosts["falkenstein"].server
    digest = standing.hosts["press"].digest
    assert standing.hosts["press"] == replace(
        told_to(plan, plan.origins[0], digest, standing.hosts["press"].birth), server=standing.hosts["press"].server
    )
    assert hidden_addresses(recorder)
    assert not [address for address in hidden_addresses(recorder) if address in str(seen["standing"])]


def test_what_stands_is_compared_with_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change is a warning of the deployment; where nothing stands, nothing is said."""
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(text))
    plan = make_plan(loaded()[0])
    before = Standing(hosts={"press": replace(told_to(plan, plan.origins[0], "then", "then"), slot=7)})
    record(program(standing=before))
    assert [line for line in said if line.startswith("farshore:origins.press.slot: 7 to 2; ")] != []
    assert [line for line in said if "--replace '**::farshore-vault.press-server';" in line] != []
    said.clear()
    record(program())
    assert [line for line in said if "press" in line and ".ssh:" not in line] == []


def test_a_finding_stops_everything() -> None:
    """A plan that the checker refuses asks for nothing."""
    stack, secrets = loaded()
    plan = make_plan(stack)

    def build() -> None:
        Deployment("farshore", plan=plan, findings=("press: port 80 is open",), secrets=secrets)

    recorder = Recorder()
    with pytest.raises(StackError, match="press: port 80 is open"):
        run(recorder, build)
    assert recorder.asked == {}


def test_hidden_hosts_are_refused_too_long_user_data_before_any_resource() -> None:
    """The size of user data is known before the keys are."""
    stack, secrets = loaded()
    plan = make_plan(stack)
    noise = "".join(hashlib.sha256(str(n).encode()).hexdigest() for n in range(800))
    long = replace(plan, origins=(replace(plan.origins[0], setup=f"#cloud-config\nruncmd: [[{noise}]]\n"),))
    recorder = Recorder()
    with pytest.raises(RenderError, match="allowed: 32768"):
        run(recorder, lambda: Deployment("farshore", plan=long, findings=(), secrets=secrets))
    assert recorder.asked == {}


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({}, {"falkenstein", "press"}),
        ({"addresses": "release"}, set()),
        ({"origins__press__addresses": "release"}, {"falkenstein"}),
        ({"addresses": "release", "origins__press__addresses": "keep"}, {"press"}),
    ],
    ids=["all", "none", "not press", "press"],
)
def test_addresses_are_kept_or_released_for_all_or_for_a_host(values: dict[str, str], kept: set[str]) -> None:
    """`addresses: keep` is the default; what a host says of its own goes before."""
    plan = make_plan(loaded(changed(**values))[0])
    assert {host.name for host in plan.hosts if host.addresses_kept} == kept


def test_a_host_is_not_taken_out_while_its_addresses_are_kept() -> None:
    """Refused before any resource; what was released before goes."""
    plan = make_plan(
        loaded(changed(origins__drop={"slot": 3, "account": "vault", "location": "hel1", "shields": ["falkenstein"]}))[
            0
        ]
    )
    drop = told_to(plan, plan.origins[0], "", "")
    recorder = Recorder()
    with pytest.raises(StackError, match=r"farshore:origins\.drop: taken out, allowed: a host, as long as its public"):
        run(recorder, program(standing=Standing(hosts={"drop": drop})))
    assert recorder.asked == {}
    run(recorder, program(standing=Standing(hosts={"drop": replace(drop, kept=False)})))
    assert recorder.asked


def test_a_preview_tells_the_cost_once_and_after_every_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the engine shows last is what the deployment costs, after what has no data volume; nothing else is priced."""
    said: list[tuple[str, str]] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda text, *_: said.append(("warn", text)))
    monkeypatch.setattr(pulumi.log, "info", lambda text, *_: said.append(("info", text)))
    config = changed(shields__falkenstein__server_type="cx999")
    record(program(config))
    assert {kind for kind, _ in said} == {"warn"}
    said.clear()
    monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: True)
    record(program(config))
    assert [text for kind, text in said if kind == "info"][:-1] == [
        "press: without `data`; replacing a server or recreating the deployment erases all that is on its disk (docs/recreate.md)"
    ]
    assert said[0][0] == "warn"
    assert said[-1][0] == "info"
    assert said[-1][1].startswith("about 6.49 EUR a month without VAT by Hetzner's prices of ")
    assert said[-1][1].endswith("; without falkenstein (cx999 in fsn1), for which they have none")
    said.clear()
    plan = make_plan(loaded(config)[0])
    with pytest.raises(StackError):
        Deployment("farshore", plan=plan, findings=("unsafe",), secrets=loaded(config)[1])
    assert said == []


def test_a_host_that_would_have_to_move_is_refused_before_any_resource() -> None:
    """The provider's `up` would begin by deleting its server."""
    plan = make_plan(loaded()[0])
    stands = replace(told_to(plan, plan.origins[0], "then", "then"), location="nbg1")
    with pytest.raises(StackError, match=r"press\.location: 'hel1', allowed: 'nbg1', where it stands; add a host"):
        record(program(standing=Standing(hosts={"press": stands})))
