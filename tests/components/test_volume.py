"""An origin's data volume: what Pulumi is asked for, and who is told of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from components import Deployment
from plan import StackError, check, make_plan
from plan.standing import Standing, Told, read_standing, told_to
from tests.components.recording import Recorder, is_secret, record, run, unwrap
from tests.components.test_deployment import SERVER, program, told
from tests.stacks import changed, loaded

if TYPE_CHECKING:
    from pulumi.runtime.mocks import MockResourceArgs

VOLUME = "hcloud:index/volume:Volume"
ATTACHMENT = "hcloud:index/volumeAttachment:VolumeAttachment"
NAME = "farshore-vault.press-volume"
OPEN: dict[str, Any] = {"shields__falkenstein__ssh": ["198.51.100.0/24"]}


def files(recorder: Recorder, host: str) -> dict[str, str]:
    """Return the files of a host's user data."""
    cloud_config = told(recorder, f"farshore-{host}-server")
    return {file["path"]: file["content"] for file in cloud_config["write_files"]}


def test_a_volume_is_made_where_its_server_is_and_plugged_in() -> None:
    """In the origin's account and place, of its size, protected at the API as well; the attachment names both ends."""
    recorder = record(program(changed(origins__press__data={"size_gb": 20})))
    assert recorder.asked[VOLUME, NAME] == {
        "deleteProtection": True,
        "labels": {"farshore-host": "press", "farshore-stack": "dev"},
        "location": "hel1",
        "name": "dev-press-data",
        "size": 20,
    }
    assert "::farshore-vault-provider::" in recorder.providers[NAME]
    attachment = recorder.asked[ATTACHMENT, "farshore-vault.press-attachment"]
    assert sorted(attachment) == ["serverId", "volumeId"]
    assert recorder.asked[SERVER, "farshore-vault.press-server"]["shutdownBeforeDeletion"] is True
    assert "shutdownBeforeDeletion" not in recorder.asked[SERVER, "farshore-edge.falkenstein-server"]


def test_without_data_nothing_of_it_is_asked_for() -> None:
    """No volume, no key, no file: what an origin was told before there were volumes is what it is told now."""
    recorder = record(program())
    assert not [kind for kind, _ in recorder.asked if kind in {VOLUME, ATTACHMENT}]
    assert not [name for _, name in recorder.asked if "data" in name]
    assert not [path for path in files(recorder, "vault.press") if "data" in path or path.endswith(".mount")]


def test_the_key_is_a_secret_that_its_own_host_alone_is_told() -> None:
    """32 random bytes, in a file of root's; the shield's user data has neither file nor key."""
    recorder = record(program(changed(origins__press__data={"size_gb": 20})))
    stash = recorder.asked["pulumi:index:Stash", "farshore-vault.press-data-key"]["input"]
    assert is_secret(stash)
    own = files(recorder, "vault.press")
    assert own["/etc/farshore/keys/data.key"] == unwrap(stash)["private"]
    number = json.loads(own["/etc/farshore/data"])["volume"]
    assert number == str(int(recorder.asked[ATTACHMENT, "farshore-vault.press-attachment"]["volumeId"]))
    other = files(recorder, "edge.falkenstein")
    assert not [path for path, text in other.items() if unwrap(stash)["private"] in text or path.endswith("/data")]


def test_what_is_not_encrypted_has_no_key_and_needs_no_package() -> None:
    """Its unit mounts the provider's device itself."""
    recorder = record(program(changed(origins__press__data={"size_gb": 20, "encrypted": False, "mount": "/opt/db"})))
    assert ("pulumi:index:Stash", "farshore-vault.press-data-key") not in recorder.asked
    own = files(recorder, "vault.press")
    assert "/etc/farshore/keys/data.key" not in own
    assert "What=/dev/disk/by-id/scsi-0HC_Volume_" in own["/etc/systemd/system/opt-db.mount"]
    assert "cryptsetup-bin" not in told(recorder, "farshore-vault.press-server")["packages"]


def test_a_released_volume_is_not_protected() -> None:
    """`addresses: release` gives back volumes as well."""
    recorder = record(program(changed(addresses="release", origins__press__data={"size_gb": 20})))
    assert recorder.asked[VOLUME, NAME]["deleteProtection"] is False


class Numbered(Recorder):
    """Give every server the same number."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        """Remember the inputs."""
        number, outputs = super().new_resource(args)
        return ("77" if args.typ == SERVER else number), outputs


def delivered(recorder: Recorder) -> dict[str, str]:
    """Return the files of the bundle that press is told over SSH."""
    name = "farshore-delivery-vault.press-apply"
    document = json.loads(unwrap(recorder.asked["command:remote:Command", name]["stdin"]))
    return {file["path"]: file["content"] for file in document["files"]}


def stands(config: dict[str, Any], **known: Any) -> Standing:
    """Return what a run of a stack file has left, with what is known of press said otherwise."""
    plan = make_plan(loaded(config)[0])
    outputs = {host.name: told_to(plan, host, "then", "then").as_output() for host in plan.hosts}
    outputs["press"] |= known
    return read_standing({"hosts": outputs})


@pytest.mark.parametrize("same", [True, False])
def test_a_volume_that_comes_later_is_for_the_next_server(same: bool) -> None:  # noqa: FBT001 - a table's column
    """The server that stands was born without: it is told nothing of it; another one is."""
    recorder = Numbered()
    before = stands(changed(**OPEN), server="77" if same else "78")
    run(recorder, program(changed(**OPEN, origins__press__data={"size_gb": 20}), standing=before))
    found = delivered(recorder)
    assert ("/etc/farshore/data" in found) is not same
    assert ("/etc/systemd/system/srv.mount" in found) is not same


def test_what_would_lose_data_is_refused_before_any_resource() -> None:
    """Smaller, encrypted otherwise, taken out while it is protected: each is said with the way that works."""
    before = stands(changed(origins__press__data={"size_gb": 20}))
    for wanted, said in (
        ({"size_gb": 19}, "data.size_gb: 19, allowed: 20 and more: a volume can't shrink"),
        ({"size_gb": 20, "encrypted": False}, "data.encrypted: false, allowed: true, as it was formatted"),
        (None, "data: nothing, and its volume is protected, allowed: {size_gb: 20, mount: /srv, …}, as it stands"),
    ):
        stack, secrets = loaded(changed(**({"origins__press__data": wanted} if wanted else {})))
        plan = make_plan(stack)
        with pytest.raises(StackError, match="the stack file has 1 fault") as refused:
            Deployment("farshore", plan=plan, findings=check(plan), secrets=secrets, standing=before)
        assert said in str(refused.value)


def test_what_grows_or_was_released_is_taken() -> None:
    """The twin: larger, another place, and gone once nothing protects it."""
    before = stands(changed(origins__press__data={"size_gb": 20}))
    record(program(changed(origins__press__data={"size_gb": 21, "mount": "/opt"}), standing=before))
    released = stands(changed(addresses="release", origins__press__data={"size_gb": 20}))
    record(program(changed(addresses="release"), standing=released))


def test_an_outputs_word_of_a_volume_comes_back_as_it_was() -> None:
    """Through the JSON of a stack's outputs; what another version wrote is nothing."""
    before = stands(changed(origins__press__data={"size_gb": 20})).hosts["press"]
    assert before.data is not None
    assert (before.data.size_gb, before.data.mount, before.data.encrypted) == (20, "/srv", True)
    strange: list[Told] = [
        stands(changed(), data=said).hosts["press"] for said in ({"size_gb": 20}, 20, {"size_gb": "much"})
    ]
    assert [one.data for one in strange] == [None, None, None]
