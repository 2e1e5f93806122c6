"""What the hcloud package decides without asking anybody: settings, inputs, names, differences, previews."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pulumi.runtime.proto import provider_pb2

from lab.engine.plugins.contract import PluginError
from lab.engine.plugins.hcloud.settings import duration_s
from lab.engine.values import UNKNOWN, Secret
from tests.engine_plugins.driver import Driven, FailedError, Listener, Made, listening, running_plugin
from tests.engine_plugins.replay import TOKEN, Api, serving, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.engine.values import Properties

pytestmark = pytest.mark.lab

SERVER = "hcloud:index/server:Server"
FIREWALL = "hcloud:index/firewall:Firewall"
SSH_KEY = "hcloud:index/sshKey:SshKey"
PRIMARY_IP = "hcloud:index/primaryIp:PrimaryIp"
NETWORK = "hcloud:index/network:Network"
GROUP = "hcloud:index/placementGroup:PlacementGroup"


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    """Serve an API that has recorded nothing: whatever it is asked is noted and refused."""
    with serving(Api()) as served:
        yield served


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    """Hear what the plugin says."""
    with listening() as heard:
        yield heard


@pytest.fixture(scope="module")
def plugin(api: Api, listener: Listener) -> Iterator[Driven]:
    """Run one configured plugin for all tests of this file."""
    with running_plugin("hcloud", listener.address) as driven:
        driven.configure(settings(api))
        yield driven


def reasons(found: tuple[Properties, list[tuple[str, str]]]) -> list[str]:
    """Return the reasons of failures; like the original's, they name the place in their text."""
    _, failures = found
    assert all(name == "" for name, _ in failures)
    return [reason for _, reason in failures]


@pytest.mark.parametrize("length", [0, 1, 63, 65])
def test_a_token_of_another_length_is_refused(plugin: Driven, length: int) -> None:
    """Exactly 64 characters; the refusal names the setting and what helps, and never shows the token."""
    found = plugin.check_config({"token": "q" * length, "endpoint": "http://127.0.0.1:1/v1"})
    if length == 0:
        assert list(found.failures) == []  # an empty one counts as not given: Configure refuses it
        return
    (reason,) = [failure.reason for failure in found.failures]
    assert reason == (
        "could not validate provider configuration: entered token is invalid "
        "(must be exactly 64 characters long). Examine values at 'a.token'."
    )


def test_a_token_of_64_characters_is_accepted_unseen(plugin: Driven, api: Api) -> None:
    """The negative twin: the length is all that is judged, and nobody is asked."""
    found = plugin.check_config({"token": TOKEN, "pollFunction": "constant"})
    assert list(found.failures) == []
    assert api.strange == []


def test_an_unknown_poll_function_is_refused_in_preview(plugin: Driven) -> None:
    """Poll options are judged before anything is polled."""
    found = plugin.check_config({"token": TOKEN, "pollFunction": "linear"})
    (reason,) = [failure.reason for failure in found.failures]
    assert reason == (
        "could not validate provider configuration: expected poll_function to be one of "
        '["constant" "exponential"], got linear. Examine values at \'a.pollFunction\'.'
    )


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("2s", 2.0), ("1m30s", 90.0), ("1.5h", 5400.0), ("10us", 1e-5)]
)
def test_durations_are_written_as_in_go(text: str, seconds: float) -> None:
    """Units can be chained and have fractions."""
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["soon", "5", "1s 2s", "-", "1d"])
def test_other_durations_are_refused(text: str) -> None:
    """The message quotes the setting's value and shows the right form."""
    with pytest.raises(PluginError, match=r"pollInterval: time: invalid duration .*; write it as 500ms or 2s"):
        duration_s(text)


def test_without_a_token_the_provider_can_not_be_configured() -> None:
    """The message says where a token comes from."""
    with running_plugin("hcloud") as driven, pytest.raises(FailedError, match="no token; set hcloud:token"):
        driven.configure({"endpoint": "http://127.0.0.1:1/v1"})


def test_settings_may_come_as_variables_and_secret(api: Api) -> None:
    """A stack's configuration reaches the provider as variables, a secret argument with its mark."""
    with running_plugin("hcloud") as driven:
        driven.configure({"token": Secret(TOKEN)}, {"hcloud:config:endpoint": f"http://127.0.0.1:{api.port}/a/v1/"})
        key = Made("7", {}, {"name": "k"})
        with pytest.raises(FailedError, match="GET /ssh_keys/7"):
            driven.read(SSH_KEY, key)
    assert api.strange == ["a GET /ssh_keys/7 null"]
    assert api.tokens == {f"Bearer {TOKEN}"}
    api.strange.clear()


def test_an_API_that_does_not_answer_is_told_with_its_address(api: Api) -> None:  # noqa: N802 - a name
    """The error has method, address and reason; neither token nor user data."""
    news = {"name": "n", "serverType": "cx23", "userData": "#!/bin/sh\nhush\n"}
    with running_plugin("hcloud") as driven:
        driven.configure({**settings(api), "endpoint": "http://127.0.0.1:1/v1"})
        with pytest.raises(FailedError) as caught:
            driven.create(SERVER, news)
    assert caught.value.text == (
        '1 error occurred:\n\t* Get "http://127.0.0.1:1/v1/server_types?name=cx23": connect: connection refused\n\n'
    )


def test_a_preview_asks_nobody_and_knows_what_is_given(plugin: Driven, api: Api) -> None:
    """No id, unknowns for what the API decides, defaults for the rest; user data only as a hash."""
    news, failures = plugin.check(SERVER, {"serverType": "cx23", "image": "debian-12", "userData": "hush"}, name="n")
    assert failures == []
    made = plugin.create(SERVER, news, preview=True)
    assert made.id == ""
    assert made.outputs["id"] is UNKNOWN
    assert made.outputs["ipv4Address"] is UNKNOWN
    assert made.outputs["location"] is UNKNOWN
    assert made.outputs["image"] == "debian-12"
    assert made.outputs["backups"] is False
    assert made.outputs["userData"] == "HyHjC/2o54DBcrn3W367/BjmyHk="
    assert api.strange == []


def test_unknown_inputs_pass_a_preview(plugin: Driven, api: Api) -> None:
    """What another resource will decide is neither judged nor lost."""
    raw = {
        "name": "n",
        "serverType": "cx23",
        "sshKeys": [UNKNOWN],
        "firewallIds": [UNKNOWN],
        "publicNets": [{"ipv4": UNKNOWN, "ipv6Enabled": False}],
    }
    news, failures = plugin.check(SERVER, raw)
    assert failures == []
    outputs = plugin.create(SERVER, news, preview=True).outputs
    assert outputs["firewallIds"] is UNKNOWN
    assert outputs["publicNets"][0]["ipv4"] is UNKNOWN
    assert outputs["sshKeys"] == [UNKNOWN]
    assert api.strange == []


def test_a_name_is_made_up_from_the_seed_and_stays(plugin: Driven) -> None:
    """The same seed gives the same name, an existing name stays, an explicit one wins."""
    first, _ = plugin.check(NETWORK, {"ipRange": "10.0.0.0/16"}, name="lan")
    again, _ = plugin.check(NETWORK, {"ipRange": "10.0.0.0/16"}, name="lan")
    assert first == again
    assert first["name"].startswith("lan-")
    assert len(first["name"]) == len("lan-") + 7
    assert first["__defaults"] == ["name"]
    kept, _ = plugin.check(NETWORK, {"ipRange": "10.1.0.0/16"}, name="lan", olds={"name": "lan-1d33abe"})
    assert kept["name"] == "lan-1d33abe"
    explicit, _ = plugin.check(NETWORK, {"ipRange": "10.0.0.0/16", "name": "own"}, name="lan")
    assert (explicit["name"], explicit["__defaults"]) == ("own", [])


def test_framework_types_have_no_marks_of_defaults(plugin: Driven) -> None:
    """Only the SDK family lists under `__defaults` what it filled in."""
    news, _ = plugin.check(SSH_KEY, {"publicKey": "ssh-ed25519 AAAA"}, name="k")
    assert set(news) == {"publicKey", "name"}


def test_only_defaults_that_are_not_zero_become_inputs(plugin: Driven) -> None:
    """`ipv4Enabled: true` is filled in, `backups: false` is not."""
    raw = {"name": "n", "serverType": "cx23", "publicNets": [{"ipv4": 1}]}
    news, _ = plugin.check(SERVER, raw)
    assert news["publicNets"] == [
        {"ipv4": 1, "ipv4Enabled": True, "ipv6Enabled": True, "__defaults": ["ipv4Enabled", "ipv6Enabled"]}
    ]
    assert "backups" not in news


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("192.0.2.1/24", "192.0.2.1/24 is not the start of the cidr block 192.0.2.0/24"),
        ("here", "invalid CIDR address: here"),
        ("2001:db8::1/64", "2001:db8::1/64 is not the start of the cidr block 2001:db8::/64"),
    ],
)
def test_an_address_that_is_no_network_is_refused(plugin: Driven, address: str, reason: str) -> None:
    """Firewall rules take networks by their first address."""
    rule = {"direction": "in", "protocol": "tcp", "port": "443", "sourceIps": [address]}
    found = plugin.check(FIREWALL, {"name": "fw", "rules": [rule]}, name="fw")
    assert reasons(found) == [f"{reason}. Examine values at 'fw.rules'."]


@pytest.mark.parametrize("address", ["192.0.2.1", "192.0.2.1/32", "192.0.2.0/24", "::/0", "2001:DB8::"])
def test_a_host_or_a_network_passes(plugin: Driven, address: str) -> None:
    """The negative twin: a single host needs no prefix length."""
    rule = {"direction": "in", "protocol": "tcp", "port": "443", "sourceIps": [address]}
    assert reasons(plugin.check(FIREWALL, {"name": "fw", "rules": [rule]}, name="fw")) == []


def test_every_fault_of_a_resource_is_told_at_once(plugin: Driven) -> None:
    """A removed input, a wrong type, an unknown name and a missing one, each with its place."""
    news = {"name": "n", "datacenter": "fsn1-dc14", "backups": "yes", "color": "red"}
    told = "\n".join(reasons(plugin.check(SERVER, news, name="edge")))
    assert told.count("Examine values at") == 4
    assert "Removed Attribute. The datacenter attribute was removed" in told
    assert "backups: a str, allowed: a switch; change its type. Examine values at 'edge.backups'." in told
    assert "color: no such input of hcloud:index/server:Server" in told
    assert 'The argument "server_type" is required, but no definition was found.' in told


def test_a_primary_address_has_a_place_or_an_owner(plugin: Driven) -> None:
    """Exactly one of the two; an owner needs its kind."""
    both = {"name": "v4", "type": "ipv4", "location": "fsn1", "assigneeId": 1, "assigneeType": "server"}
    assert "Exactly one of these" in reasons(plugin.check(PRIMARY_IP, both))[0]
    neither = {"name": "v4", "type": "ipv4"}
    assert "Exactly one of these" in reasons(plugin.check(PRIMARY_IP, neither))[0]
    assert reasons(plugin.check(PRIMARY_IP, {**neither, "location": "fsn1"})) == []
    assert "assignee_type" in reasons(plugin.check(PRIMARY_IP, {**neither, "assigneeId": 1}))[0]


def test_a_placement_group_spreads(plugin: Driven) -> None:
    """There is one type of group."""
    found = plugin.check(GROUP, {"name": "pg", "type": "other"}, name="pg")
    assert reasons(found) == ["other is not a valid placement group type. Examine values at 'pg.type'."]
    assert reasons(plugin.check(GROUP, {"name": "pg", "type": "spread"}, name="pg")) == []


def server(plugin: Driven, **more: object) -> Made:
    """Return a server as an engine would keep it, from what a preview knows of it."""
    news, failures = plugin.check(SERVER, {"serverType": "cx23", "image": "debian-12", **more})
    assert failures == []
    outputs = plugin.create(SERVER, news, preview=True).outputs
    known = {name: value for name, value in outputs.items() if value is not UNKNOWN}
    return Made("7", news, {**known, "id": "7", "location": "fsn1", "firewallIds": []})


def test_a_replaced_server_with_its_own_name_goes_first(plugin: Driven) -> None:
    """Two servers of one name can't be: an explicit name deletes first, a made-up one creates first."""
    named = server(plugin, name="edge")
    news, _ = plugin.check(SERVER, {"serverType": "cx23", "image": "debian-13", "name": "edge"})
    found = plugin.diff(SERVER, named, news)
    assert (found.replaces, found.detailed) == (["image"], {"image": "update-replace"})
    assert found.delete_before_replace
    made_up = server(plugin)
    news, _ = plugin.check(SERVER, {"serverType": "cx23", "image": "debian-13"}, olds=made_up.inputs)
    found = plugin.diff(SERVER, made_up, news)
    assert found.replaces == ["image"]
    assert not found.delete_before_replace


def test_an_update_in_place_deletes_nothing(plugin: Driven) -> None:
    """The negative twin: labels, type and firewalls change on a living server."""
    made = server(plugin, name="edge", labels={"env": "one"})
    raw = {"serverType": "cx33", "image": "debian-12", "name": "edge", "labels": {"role": "edge"}, "firewallIds": [3]}
    news, _ = plugin.check(SERVER, raw)
    found = plugin.diff(SERVER, made, news)
    assert found.detailed == {
        "firewallIds": "add",
        "labels.env": "delete",
        "labels.role": "add",
        "serverType": "update",
    }
    assert (found.replaces, found.delete_before_replace) == ([], False)


def test_changed_user_data_replaces_unless_ignored(plugin: Driven) -> None:
    """The state holds a hash; one final newline makes another server."""
    made = server(plugin, name="edge", userData="#!/bin/sh\ntrue\n")
    raw = {"serverType": "cx23", "image": "debian-12", "name": "edge", "userData": "#!/bin/sh\ntrue"}
    news, _ = plugin.check(SERVER, raw)
    assert plugin.diff(SERVER, made, news).replaces == ["userData"]
    assert not plugin.diff(SERVER, made, news, ignore=("userData",)).changes
    assert not plugin.diff(SERVER, made, made.inputs).changes


def test_an_update_that_would_replace_is_refused(plugin: Driven, api: Api) -> None:
    """An engine must not call Update for it, so nothing is sent."""
    made = server(plugin, name="edge")
    news, _ = plugin.check(SERVER, {"serverType": "cx23", "image": "debian-13", "name": "edge"})
    with pytest.raises(FailedError, match="expected diff to not require deletion or replacement"):
        plugin.update(SERVER, made, news)
    assert api.strange == []


def test_an_update_in_preview_asks_nobody(plugin: Driven, api: Api) -> None:
    """What is given is known; what only the API decides stays as it was."""
    made = server(plugin, name="edge")
    news, _ = plugin.check(SERVER, {"serverType": "cx33", "image": "debian-12", "name": "edge"})
    outputs = plugin.update(SERVER, made, news, preview=True).outputs
    assert (outputs["serverType"], outputs["location"], outputs["id"]) == ("cx33", "fsn1", "7")
    assert api.strange == []


def test_an_unmodelled_type_is_refused_by_name(plugin: Driven) -> None:
    """The refusal lists what there is."""
    with pytest.raises(FailedError, match="type: 'hcloud:index/floatingIp:FloatingIp', allowed: Firewall, "):
        plugin.check("hcloud:index/floatingIp:FloatingIp", {})


def test_functions_are_refused(plugin: Driven) -> None:
    """Facts are arguments: there are no look-ups in this stand-in."""
    request = provider_pb2.InvokeRequest(tok="hcloud:index/getServerType:getServerType")
    with pytest.raises(FailedError, match="getServerType"):
        plugin.call("Invoke", request, provider_pb2.InvokeResponse)
