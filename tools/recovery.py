"""One recovery of a lost state: read the hosts, make the state, tell them delivery's new keys, adopt what stands.

Why in this order: docs/decisions/0014-recover-from-the-hosts.md.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import typer

from tools.device_commands import console
from tools.plan import read_config
from tools.recover_hosts import GlassDoors, fingerprint, judge_host_keys, read_host_keys
from tools.recover_keys import (
    FoundKeys,
    Reading,
    RecoverError,
    birth_name,
    delivery_name,
    find_keys,
    fresh_key,
    new_key,
)
from tools.recover_rows import disturbances, founded, stashes_of
from tools.recover_told import with_root_keys
from tools.repair_stack import Patient
from tools.repair_state import parse_export, read_state
from tools.repair_words import table
from tools.stack_edit import read_stack_file

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from plan import Host, Plan
    from tools.repair_model import Found
    from tools.target import Target


@dataclass(frozen=True)
class Recovery:
    """One run: what it knows is the stack file, the accounts, the hosts, and how far the state has come."""

    target: Target
    yes: bool

    def run(self, identity: Path, host_keys: Path | None) -> None:
        """Read, make the state, tell the hosts the new keys, adopt what stands; run again, it goes on.

        Raises:
            RecoverError: Something is not as it has to be; what was done is done.
        """
        plan, patient = self.target.plan(), self._patient()
        _check_plan(plan)
        servers = self._servers(plan, patient)
        shields = {one.name: self._address(patient, one, servers[one.name]) for one in plan.shields}
        with tempfile.TemporaryDirectory(prefix="farshore-") as name:  # 0700
            doors = GlassDoors(self.target.work.enter, plan, shields, identity, Path(name))
            readings = _read(doors, host_keys)
            found = find_keys(plan, readings)
            _say(f"read: {len(found.stashes)} keys of {', '.join(host.name for host in plan.hosts)}")
            for note in found.notes:
                _say(f"  {note}")
            self._agree("make a new state of it, with new keys for delivery?")
            created = [one.created for one in servers.values() if one.created is not None]
            keys = self._keys(found, patient, min(created), fresh_key)
            self._set_psks(found)
            for host in plan.hosts:  # shields first: the others are reached through them
                _tell(doors, host, readings[host.name], keys)
        self._adopt(patient)

    def without_hosts(self) -> None:
        """Make the state with new keys alone: repair then adopts addresses, and removes servers that nobody can open.

        Raises:
            RecoverError: The state is not lost.
        """
        patient = self._patient()
        self._agree("make a new state with new keys? What runs is removed later, by repair, and asked about there")
        self._keys(FoundKeys({}, {}, ()), patient, datetime.now(UTC), new_key)
        _say("next, adopt the addresses and remove the servers with their disks: farshore repair --without-state")

    def _patient(self) -> Patient:
        """Return the stack and its accounts, of which its state knows nothing.

        Raises:
            RecoverError: It does.
        """
        known = read_state(self._export()).known
        if known:
            raise RecoverError(
                f"state: knows {len(known)} resources of the accounts, allowed: none; what else stands there is "
                "adopted by: farshore repair"
            )
        return Patient(self.target.work, adopt=True, say=_say)

    def _agree(self, question: str) -> None:
        if not self.yes and not (sys.stdin.isatty() and typer.confirm(question)):
            _say("nothing was changed; to go on: --yes")
            raise typer.Exit(1)

    def _servers(self, plan: Plan, patient: Patient) -> dict[str, Found]:
        """Return each host's server, by the labels that it was made with.

        Raises:
            RecoverError: One is missing, off, or there twice.
        """
        mine = [
            thing
            for account in plan.accounts
            for thing in patient.account(account).found()
            if thing.kind == "server" and thing.stack == plan.stack
        ]
        faults, chosen = [], {}
        for host in plan.hosts:
            here = [one for one in mine if one.host == host.name and one.account == host.account]
            if len(here) != 1 or here[0].off:
                what = "off" if len(here) == 1 else f"{len(here)} servers"
                faults.append(
                    f"host {host.name}: {what} in account {host.account}, allowed: one that runs; switch it on, or "
                    "take it out of the stack file until the others are recovered"
                )
            else:
                chosen[host.name] = here[0]
        for one in mine:
            if one.host not in {host.name for host in plan.hosts}:
                _say(f"left alone, for the stack file does not have it: server {one.name} in account {one.account}")
        if faults:
            raise RecoverError(*faults)
        return chosen

    def _address(self, patient: Patient, shield: Host, server: Found) -> str:
        assert shield.way is not None  # looked at before
        return patient.account(server.account).public_address(server, shield.way.family)

    def _keys(
        self, found: FoundKeys, patient: Patient, born: datetime, make_key: Callable[[str], Mapping[str, str]]
    ) -> dict[str, dict[str, str]]:
        """Return the keys of the new state, which has them from here on; those of an interrupted run stay.

        Args:
            found: Those of the hosts.
            patient: The stack.
            born: When they were made at the latest.
            make_key: Gives those that no host has.

        Raises:
            RecoverError: The state has other keys than the hosts.
        """
        work = self.target.work
        keys = stashes_of(self._export("--show-secrets"))
        if not keys:
            preview = work.run(["preview", "--json", *work.where])
            tokens = {name: patient.token(name) for name in patient.account_names()}
            fresh = founded(
                self._export(),
                preview,
                keys=found.stashes,
                tokens=tokens,
                born=born,
                make_id=lambda: str(uuid4()),
                make_key=make_key,
            )
            work.run(["stack", "import", "--stack", work.stack], given=json.dumps(fresh), folder=patient.home)
            _say("the state has the keys")
            keys = stashes_of(self._export("--show-secrets"))
        other = sorted(
            name for name, key in found.stashes.items() if keys.get(name, {}).get("private") != key["private"]
        )
        if other:
            raise RecoverError(f"state: other keys than the hosts have ({', '.join(other)}), allowed: theirs, or none")
        return keys

    def _set_psks(self, found: FoundKeys) -> None:
        """Put devices' preshared keys into the stack file where they are missing: without them `up` cuts them off."""
        work = self.target.work
        said = read_config(read_stack_file(work.stack_file)).get("secrets")
        there = said.get("psks", {}) if isinstance(said, dict) else {}
        for name, psk in found.devices.items():
            if name not in there:
                path = f"farshore:secrets.psks.{name}"
                work.run(["config", "set", "--secret", "--path", path, *work.where], given=psk)
                _say(f"{work.stack_file.name}: the preshared key of {name} is there again")

    def _adopt(self, patient: Patient) -> None:
        """Have the state take over what stands at the accounts, and see that `up` disturbs none of it.

        Raises:
            RecoverError: Something of it is not what the program asks for.
        """
        seen = patient.look()
        adopted = tuple(one for one in seen.differences if one.remedy == "adopt")
        left = patient.mend(replace(seen, differences=adopted)).differences
        preview = self.target.work.run(["preview", "--json", "--refresh", *self.target.work.where])
        if disturbed := disturbances(preview):
            for line in table(left):
                console.print(line, markup=False)
            raise RecoverError(
                *(f"`up` would {one}" for one in disturbed),
                "allowed: nothing of the kind; bring the stack file into line with what stands, then: farshore repair",
            )
        _say(f"recovered: the state knows what stands; now run: {self.target.up}")

    def _export(self, *flags: str) -> dict[str, Any]:
        return parse_export(self.target.work.run(["stack", "export", *flags, "--stack", self.target.work.stack]))


def _check_plan(plan: Plan) -> None:
    """Refuse what no break-glass key opens.

    Raises:
        RecoverError: With each host that it does not.
    """
    faults = [
        f"{host.key}.ssh: answers nowhere that the break-glass key comes from, allowed: a way in; without one its keys "
        "can't be read: docs/recovery.md"
        for host in plan.hosts
        if host.way is None
    ]
    if any(host.break_glass_key is None for host in plan.hosts):
        faults.insert(0, "farshore:break_glass: missing, allowed: the key that the hosts know; see docs/recovery.md")
    if faults:
        raise RecoverError(*faults)


def _read(doors: GlassDoors, file: Path | None) -> dict[str, Reading]:
    """Read all hosts, once their own keys are confirmed: shields first, for the others are reached through them.

    Raises:
        RecoverError: A host key is not what the file says, or nobody says anything; or a host does not open.
    """
    known = read_host_keys(file.read_text(encoding="utf-8")) if file else None
    believed: dict[str, str] = {}
    readings: dict[str, Reading] = {}
    for hosts in (doors.plan.shields, doors.plan.origins):
        seen = {host.name: doors.host_key(host) for host in hosts}
        for name, key in seen.items():
            _say(f"host {name}: host key {fingerprint(key)}")
        if known is not None:
            judge_host_keys(seen, known, str(file))
        elif seen and not (sys.stdin.isatty() and typer.confirm("are these their own?")):
            raise RecoverError(
                "host keys: nobody confirmed them, allowed: a person at a terminal, or --yes-host-keys FILE"
            )
        believed |= seen
        doors.believe(believed)
        readings |= {host.name: doors.read(host) for host in hosts}
    return readings


def _tell(doors: GlassDoors, host: Host, reading: Reading, keys: Mapping[str, Mapping[str, str]]) -> None:
    """Tell a host delivery's new keys, and have it keep them once they have opened it."""
    document, digest = with_root_keys(host, reading, keys)
    doors.tell(host, keys[birth_name(host)], document)
    way = [one for one in doors.plan.hosts if one.name in {host.name, *_through(host)}]
    doors.confirm(host, {one.name: keys[delivery_name(one, one.active)]["private"] for one in way}, digest, document)
    _say(f"host {host.name}: opens to delivery's new key, and to the old one no more")


def _through(host: Host) -> tuple[str, ...]:
    return host.way.shields[:1] if host.way else ()


def _say(line: str) -> None:
    console.print(line, markup=False)
