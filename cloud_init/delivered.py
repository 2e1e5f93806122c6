"""A bundle as the document that a host's own program applies: JSON, with a digest of itself.

Pure. It says nothing that its files do not say: interfaces, peers and routes are read from the interfaces' files, which
is also what the next boot reads.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from cloud_init.bundle import render_bundle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloud_init.bundle import Bundle
    from cloud_init.material import Material
    from plan.model import Host

SCHEMA: Final = 1
BIRTH_PATH: Final = "/var/lib/farshore/host/birth.json"


def render_delivered(host: Host, material: Material, *, sequence: int, revoked: Sequence[str] = ()) -> str:
    """Return what `farshore-host apply` takes on its standard input, all of it a secret.

    Args:
        host: Whose it is.
        material: Keys and addresses.
        sequence: Its number; 0 is what the host was told at its birth.
        revoked: Public keys that no rollback may admit again.
    """
    return canonical(_sealed(host, render_bundle(host, material), sequence, revoked))


def render_adopted(host: Host, bundle: Bundle) -> str:
    """Return what a host's program reads after the birth: the same without contents, which are on its disk."""
    whole = _sealed(host, bundle, 0, ())
    return canonical(
        {
            "digest": whole["digest"],
            "files": [[file.path, file.secret] for file in bundle.files],
            "masked": whole["masked"],
            "units": whole["units"],
        }
    )


def canonical(document: dict[str, Any]) -> str:
    """Return JSON in one order and without spaces, on one line: what a digest is taken of."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def _sealed(host: Host, bundle: Bundle, sequence: int, revoked: Sequence[str]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "stack": host.stack,
        "host": host.name,
        "sequence": sequence,
        "files": [
            {
                "path": file.path,
                "mode": file.mode,
                "content": None if file.made_there else file.content,
                "secret": file.secret,
            }
            for file in bundle.files
        ],
        "units": list(bundle.units),
        "masked": list(bundle.masked),
        "revoked": list(revoked),
    }
    return {**document, "digest": "sha256:" + hashlib.sha256(canonical(document).encode()).hexdigest()}
