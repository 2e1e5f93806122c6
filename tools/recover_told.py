"""What hosts are asked and told when a state is recovered: two programs that root runs there, and the new bundle.

Pure. A host is told what it was told last, with other keys in root's file, so that nothing else of it changes.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from cloud_init.delivered import SCHEMA, canonical
from cloud_init.material import Material
from cloud_init.sshd import ROOT_KEYS_PATH, render_root_keys
from tools.recover_keys import RecoverError, delivery_refs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from plan import Host
    from tools.recover_keys import Reading

# On standard input of `python3 -I -B -`; what it prints has keys in it.
READ: Final = """\
import json, os
STATE = "/var/lib/farshore/host/"

def text(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None

record = json.loads(text(STATE + "confirmed.json") or "null")
files = record["files"] if record else []
print(json.dumps({
    "identity": json.loads(text("/etc/farshore/host") or "{}"),
    "pending": os.path.exists(STATE + "pending.json"),
    "record": record,
    "secrets": {file["path"]: text(file["path"]) for file in files if file["secret"]},
}))
"""
# First the key that the next contact believes, then the bundle; each can be done again.
_TELL: Final = """
import os, subprocess, sys
PATH = "/etc/ssh/ssh_host_ecdsa_key"

def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()

def put(path, content, mode):
    fresh = path + ".farshore"
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode), "w") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(fresh, path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)

os.umask(0o022)
before = read(PATH), read(PATH + ".pub")
if before[0] != BIRTH["private"]:
    put(PATH, BIRTH["private"], 0o600)
    put(PATH + ".pub", BIRTH["public"] + "\\n", 0o644)
    if subprocess.run(["/usr/sbin/sshd", "-t"]).returncode:
        put(PATH, before[0], 0o600)
        put(PATH + ".pub", before[1], 0o644)
        sys.exit(2)
    subprocess.run(["/usr/bin/systemctl", "try-reload-or-restart", "ssh.service"], check=True)
sys.exit(subprocess.run(["/usr/local/sbin/farshore-host", "apply"], input=DOCUMENT, text=True).returncode)
"""


def tell_program(birth: Mapping[str, str], document: str) -> str:
    """Return the program that puts the new host key of contacts in its place and applies a bundle: all of it a secret.

    Args:
        birth: Both halves of the key.
        document: From `with_root_keys`.
    """
    return f"BIRTH = {dict(birth)!r}\nDOCUMENT = {document!r}\n{_TELL}"


def with_root_keys(host: Host, reading: Reading, keys: Mapping[str, Mapping[str, str]]) -> tuple[str, str]:
    """Return a host's bundle as it was told last, with today's delivery keys in root's file, and its digest.

    Args:
        host: Whose it is.
        reading: What it has.
        keys: Of the new state, by the names of their resources.

    Raises:
        RecoverError: It was never told who may come in as root.
    """
    public = {str(ref): keys[name]["public"] for ref, name in delivery_refs(host).items()}
    files: list[dict[str, Any]] = [
        {
            "path": file["path"],
            "mode": f"{file['mode']:04o}",
            "content": reading.secrets[file["path"]] if file["secret"] else file["content"],
            "secret": file["secret"],
        }
        for file in reading.record["files"]
    ]
    own = [file for file in files if file["path"] == ROOT_KEYS_PATH]
    if not own:
        raise RecoverError(
            f"host {host.name}: was told no {ROOT_KEYS_PATH}, allowed: a version that has it; replace it"
        )
    own[0]["content"] = render_root_keys(host, Material(public))
    kept = {key: reading.record[key] for key in ("stack", "host", "sequence", "units", "masked", "revoked")}
    document = {"schema": SCHEMA, **kept, "files": files}
    digest = "sha256:" + hashlib.sha256(canonical(document).encode()).hexdigest()
    return json.dumps({**document, "digest": digest}), digest
