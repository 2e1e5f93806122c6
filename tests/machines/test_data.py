"""An origin's data volume on a machine: what is formatted, what is left alone, what grows. LUKS: tests/machines_vm.

```text
  volume ── by-id ── farshore-data.service: ours? blank? ── srv.mount ── /srv
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lab.client import until
from tests.machines.data_volume import GIB, end_of, on, order_volume, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.client import MachineSpot
    from tests.machines.data_volume import DataVolume
    from tests.machines.ordering import Customer

pytestmark = pytest.mark.lab
SIZE = "findmnt -bno SIZE /srv"


@pytest.fixture(scope="module")
def machine(somebody: Customer) -> Iterator[MachineSpot]:
    """Return a machine for the tests of this module."""
    ordered = somebody.order("data")
    ordered.wait_born()
    yield ordered
    somebody.delete(ordered)


@pytest.fixture
def volume(somebody: Customer, machine: MachineSpot) -> Iterator[DataVolume]:
    """Return a blank volume of which the machine is told, and take it away afterwards."""
    ordered = order_volume(somebody, machine)
    ordered.tell(machine)
    yield ordered
    on(machine, "systemctl stop srv.mount farshore-data.service; rm -f /var/lib/farshore/data-formatting")
    ordered.end()


def test_a_blank_volume_is_formatted_once_and_what_is_written_stays(machine: MachineSpot, volume: DataVolume) -> None:
    """Started again it is found as it is; a write to its first sector alone makes it nobody's to format."""
    on(machine, "systemctl start srv.mount; echo row >/srv/row")
    assert on(machine, "findmnt -no FSTYPE,LABEL /srv").split() == ["ext4", "farshore"]
    on(machine, "systemctl stop srv.mount farshore-data.service; ! test -e /srv/row; systemctl start srv.mount")
    assert on(machine, "cat /srv/row") == "row"
    assert "formatted" not in on(machine, "journalctl -o cat -u farshore-data.service -n 2")
    assert not machine.has("/run/farshore-data-refused")
    assert on(machine, f"stat -c %a /etc/farshore/data; test ! -e /etc/farshore/keys/data.key; ls {volume.device}")


@pytest.mark.long
@pytest.mark.parametrize(
    ("made", "said"),
    [
        ("mkfs.ext4 -q -F -L mine $0", "ext4 labelled 'mine' is on it"),
        ("mkfs.ext4 -q -F $0", "ext4 is on it"),
        ("mkfs.xfs -q -f $0", "xfs is on it"),
        ("printf 'label: gpt\\n' | sfdisk -q $0", "gpt is on it"),
        ("printf x | dd of=$0 conv=notrunc status=none", "something that nobody knows is on it"),
        ("printf x | dd of=$0 bs=1 seek=1048575 conv=notrunc status=none", "something that nobody knows is on it"),
        (
            "printf x | dd of=$0 bs=1 seek=$(($(blockdev --getsize64 $0) - 1)) conv=notrunc status=none",
            "something that nobody knows is on it",
        ),
    ],
)
def test_a_volume_with_anything_on_it_is_left_alone(
    machine: MachineSpot, volume: DataVolume, made: str, said: str
) -> None:
    """Somebody's filesystem, partitions, one byte at either end: refused with the way out, and not a byte changes."""
    if "xfs" in made and machine.run(["sh", "-c", "command -v mkfs.xfs"]).returncode:
        made = "printf XFSB | dd of=$0 conv=notrunc status=none"
        said = " is on it"
    on(machine, f"set -- {volume.device}; {made.replace('$0', '$1')}; sync")
    before = end_of(machine, volume.device)
    refused = refusal(machine)
    assert refused.startswith(f"data volume {volume.number}: ")
    assert said in refused
    assert "nothing was written: save what it has, then empty it" in refused
    assert end_of(machine, volume.device) == before


@pytest.mark.long
def test_what_was_emptied_as_it_was_told_is_formatted(machine: MachineSpot, volume: DataVolume) -> None:
    """The remedy of the refusal works; the twin of leaving it alone."""
    on(machine, f"mkfs.ext4 -q -F -L mine {volume.device}")
    command = refusal(machine).rpartition("(")[2].rstrip(")")
    assert command.startswith("blkdiscard -z ")
    on(machine, f"{command}; systemctl start srv.mount; findmnt /srv")
    assert not machine.has("/run/farshore-data-refused")


@pytest.mark.long
def test_a_format_that_was_cut_off_begins_anew(machine: MachineSpot, volume: DataVolume) -> None:
    """The note on the host's own disk tells half of our own making from somebody's; it is gone before anything is written."""
    on(machine, f"printf half | dd of={volume.device} conv=notrunc status=none")
    on(machine, "printf 999 >/var/lib/farshore/data-formatting")
    assert "nothing was written" in refusal(machine)  # another volume's note
    on(machine, f"printf {volume.number} >/var/lib/farshore/data-formatting; systemctl start srv.mount")
    assert on(machine, "findmnt -no LABEL /srv") == "farshore"
    assert not machine.has("/var/lib/farshore/data-formatting")


@pytest.mark.long
def test_a_volume_that_is_not_there_is_said(machine: MachineSpot, volume: DataVolume, somebody: Customer) -> None:
    """It is waited for, for as long as an attachment may take; then the host says what is missing."""
    somebody.ask("POST", f"/volumes/{volume.number}/actions/detach")
    assert refusal(machine) == (
        f"data volume {volume.number}: not plugged in, allowed: attached to this server; attach it, then reboot"
    )
    somebody.ask("POST", f"/volumes/{volume.number}/actions/attach", {"server": int(machine.name)})
    on(machine, "systemctl start srv.mount; findmnt /srv")


@pytest.mark.long
def test_a_volume_that_has_grown_is_used_whole_after_the_next_start(machine: MachineSpot, volume: DataVolume) -> None:
    """Asked to grow while it is mounted, this kernel declines, and that fails nothing; unmounted it grows."""
    on(machine, "systemctl start srv.mount; echo row >/srv/row")
    small = int(on(machine, SIZE))
    volume.grow(12).tell(machine)
    on(machine, "systemctl reload farshore-data.service")
    on(machine, "systemctl stop srv.mount farshore-data.service; systemctl start srv.mount")
    assert int(on(machine, SIZE)) - small > 1.8 * GIB
    assert on(machine, "cat /srv/row") == "row"


@pytest.mark.long
def test_a_size_that_its_provider_has_not_given_yet_is_said(machine: MachineSpot, volume: DataVolume) -> None:
    """Told of 12 GB with 10 there, the reload fails and says so: a bundle with that is taken back."""
    on(machine, "systemctl start srv.mount")
    volume.__class__(somebody=volume.somebody, number=volume.number, size_gb=12).tell(machine)
    done = machine.run(["systemctl", "reload", "farshore-data.service"], within_s=120)
    assert done.returncode != 0
    assert "10 GiB, allowed: 12; see whether its provider has resized it" in on(
        machine, "cat /run/farshore-data-refused"
    )
    assert on(machine, "findmnt -no TARGET /srv") == "/srv"


@pytest.mark.long
def test_a_reboot_mounts_it_before_ordinary_services_start(machine: MachineSpot, volume: DataVolume) -> None:
    """A service without a word about the volume finds the row at its start."""
    on(machine, "systemctl start srv.mount; echo row >/srv/row; sync")
    unit = '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c "cat /srv/row >/run/found"\\n[Install]\\nWantedBy=multi-user.target\\n'
    on(machine, f"printf '{unit}' >/etc/systemd/system/early.service; systemctl daemon-reload; systemctl enable early")
    pid = machine.leader_pid
    machine.run(["systemctl", "reboot"])
    until(lambda: machine.leader_pid not in {None, pid} or None, 60, "another first process")
    until(lambda: machine.has("/run/found") or None, 60, "the service's start")
    assert on(machine, "cat /run/found; rm /etc/systemd/system/early.service") == "row"
    assert volume.device in on(machine, "findmnt -no SOURCE /srv")
