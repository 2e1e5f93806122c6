"""SSH keys: public keys that servers are born with.

Pure. Source: https://docs.hetzner.cloud/reference/cloud#ssh-keys; that a fingerprint is one key's alone:
https://docs.hetzner.cloud/reference/cloud#errors, whose example of a `uniqueness_error` is just that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING

from pydantic import Field

from lab.cloud.call import Body, Call, Route
from lab.cloud.labels import check_labels
from lab.cloud.records import SshKey
from lab.cloud.reply import Reply, invalid_input, not_found, uniqueness_error
from lab.cloud.resource import Resource

if TYPE_CHECKING:
    from lab.cloud.project import Project
    from lab.cloud.reply import Json

KEY_TYPES = frozenset(
    {
        "ssh-rsa",
        "ssh-ed25519",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ssh-ed25519@openssh.com",
        "sk-ecdsa-sha2-nistp256@openssh.com",
    }
)
LENGTH_BYTES = 4  # RFC 4251: a string is its length in four bytes, then itself


class CreateKey(Body):
    """The body of POST /ssh_keys."""

    name: str
    public_key: str
    labels: dict[str, str] = Field(default_factory=dict)


def fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint of a public key in OpenSSH's one-line form.

    Raises:
        ApiError: `invalid_input`: it is no such key.
    """
    parts = public_key.split()
    fault = invalid_input(("public_key", "is not an SSH public key"))
    if len(parts) < 2 or parts[0] not in KEY_TYPES:
        raise fault
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except binascii.Error:
        raise fault from None
    length = int.from_bytes(blob[:LENGTH_BYTES], "big")
    if blob[LENGTH_BYTES : LENGTH_BYTES + length] != parts[0].encode():
        raise fault
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


def find_key(project: Project, wanted: str | int) -> SshKey:
    """Return a key by name or id.

    Raises:
        ApiError: `not_found`.
    """
    for key in project.tables.ssh_keys.values():
        if wanted in (key.id, key.name):
            return key
    raise not_found("ssh_key", wanted)


def _show(_: Project, key: SshKey) -> Json:
    return {
        "id": key.id,
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "labels": dict(key.labels),
        "created": key.created,
    }


SSH_KEYS = Resource(
    singular="ssh_key",
    plural="ssh_keys",
    table=lambda project: project.tables.ssh_keys,
    show=_show,
    filters={"fingerprint": lambda _, key: key.fingerprint},
)


def _create(call: Call) -> Reply:
    wanted = call.read(CreateKey)
    project = call.project
    check_labels(wanted.labels)
    mark = fingerprint(wanted.public_key)
    SSH_KEYS.check_name(project, wanted.name)
    if any(key.fingerprint == mark for key in project.tables.ssh_keys.values()):
        raise uniqueness_error("SSH key with the same fingerprint already exists", "public_key")
    key = SshKey(
        id=project.new_id(),
        name=wanted.name,
        created=project.now(),
        labels=dict(wanted.labels),
        public_key=wanted.public_key,
        fingerprint=mark,
    )
    project.tables.ssh_keys[key.id] = key
    return SSH_KEYS.reply(call, key, 201)


def _update(call: Call) -> Reply:
    key = SSH_KEYS.named_in(call)
    SSH_KEYS.rename(call, key)
    return SSH_KEYS.reply(call, key)


def _delete(call: Call) -> Reply:
    del call.project.tables.ssh_keys[SSH_KEYS.named_in(call).id]
    return Reply(status=204)


ROUTES = (
    *SSH_KEYS.routes(),
    Route(method="POST", pattern="/ssh_keys", handler=_create),
    Route(method="PUT", pattern="/ssh_keys/*", handler=_update),
    Route(method="DELETE", pattern="/ssh_keys/*", handler=_delete),
)
