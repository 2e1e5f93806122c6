"""Whole rendered trees: what each host of a case has on its disk, and the user data that puts it there.

`python -m tests.trees` writes them to tests/golden; a human reads the diff.
"""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from cloud_init import (
    Material,
    placeholder,
    render_bundle,
    render_cloud_config,
    render_delivered,
    render_user_data,
)
from tests.stacks import SETUP, SMALLEST, changed, planned

if TYPE_CHECKING:
    from plan import Host, Plan

DELIVERED = ("ashburn", "db")  # whose documents for `farshore-host apply` are kept as well
GOLDEN = Path(__file__).parent / "golden"
OPERATOR_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f operator@example.com"


def cases() -> dict[str, Plan]:
    """Return the deployments whose trees are kept."""
    press = SMALLEST["origins"]["press"]
    device_keys = [base64.b64encode(bytes([number]) * 32).decode() for number in (9, 10, 11)]
    return {
        "smallest": planned(),
        "connected": planned(
            changed(
                shields__ashburn={"slot": 1, "account": "edge", "location": "ash"},
                origins__press__shields=["falkenstein", "ashburn"],
                origins__press__lans={
                    "office": {"network": "192.168.7.0/24", "nat": True, "from": ["db"], "ports": [9100]}
                },
                origins__db={**press, "slot": 3, "services": {"sql": {"port": 5432, "from": ["press", "branch"]}}},
                operators={
                    "laptop": {
                        "slot": 200,
                        "public_key": device_keys[0],
                        "tunnel": "full",
                        "reach": ["press", "db/ssh", "office", "branch"],
                        "dns": ["9.9.9.9"],
                        "until": "2027-06-30",
                    },
                    "phone": {"slot": 201, "public_key": device_keys[1], "reach": ["press/web"]},
                },
                gateways={
                    "site": {
                        "slot": 210,
                        "public_key": device_keys[2],
                        "shields": ["falkenstein"],
                        "lans": {"branch": {"network": "192.168.8.0/24", "from": ["office"]}},
                    }
                },
            )
        ),
        "setup": planned(changed(origins__press__setup="press.yaml"), {"press.yaml": SETUP}),
        "break-glass": planned(
            changed(break_glass={"public_key": OPERATOR_KEY, "sources": ["192.0.2.0/24", "2001:db8:1::/48"]})
        ),
        "data": planned(
            changed(
                origins__press__data={"size_gb": 20},
                origins__press__setup="press.yaml",
                origins__db={
                    **press,
                    "slot": 3,
                    "services": {},
                    "data": {"size_gb": 10, "mount": "/opt/db_1", "encrypted": False},
                },
                shields__falkenstein__ssh=["198.51.100.0/24"],
            ),
            {"press.yaml": "#cloud-config\nruncmd:\n  - [touch, /srv/there]\n"},
        ),
        "debian-13": planned(changed(shields__falkenstein__image="debian-13", origins__press__image="debian-13")),
        "ubuntu-24.04": planned(
            changed(shields__falkenstein__image="ubuntu-24.04", origins__press__image="ubuntu-24.04")
        ),
        "two-generations": planned(
            changed(
                generations=[1, 2],
                active=2,
                shields__falkenstein__ssh=["198.51.100.0/24"],
                origins__db={**press, "slot": 3, "services": {}},
                meshes={"back": {"slot": 0, "hosts": {"press": {}, "db": {}}}},
                operators={
                    "laptop": {"slot": 200, "public_key": device_keys[0], "reach": ["press"]},
                    "phone": {"slot": 201, "public_key": device_keys[1], "reach": ["press/web"], "generation": 2},
                },
            )
        ),
        "two-shields": planned(
            changed(
                shields__ashburn={"slot": 1, "account": "edge", "location": "ash"},
                origins__press__shields=["falkenstein", "ashburn"],
                origins__drop={**press, "slot": 254, "shields": ["ashburn"], "services": {"web": {"port": 65535}}},
            )
        ),
    }


def material(host: Host) -> Material:
    """Return a host's placeholders: of the real form and length, and accepted by nobody."""
    return placeholder(host)


def tree(plan: Plan) -> dict[str, bytes]:
    """Return every file of a case by its path below the case's folder.

    A stand-in has the host's program's place: it is its sources joined, and a word of it would change every tree.
    """
    with (
        patch("cloud_init.bundle.render_program", _stand_in),
        patch("cloud_init.user_data.render_program", _stand_in),
        patch("cloud_init.volume.render_program", _stand_in),
    ):
        return _tree(plan)


def _stand_in(*_: object) -> str:
    return "#!/usr/bin/python3 -IB\n# the program of cloud_init/host\n"


def _tree(plan: Plan) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for host in plan.hosts:
        told = material(host)
        for file in render_bundle(host, told).files:
            files[f"{host.name}/root{file.path}"] = file.content.encode()
        files[f"{host.name}/cloud-config.yaml"] = render_cloud_config(host, told).encode()
        files[f"{host.name}/user-data"] = render_user_data(host, told).encode()
        if host.name in DELIVERED:
            files[f"{host.name}/delivered.json"] = render_delivered(host, told, sequence=1).encode()
    return files


def write() -> None:
    """Write all trees anew."""
    shutil.rmtree(GOLDEN, ignore_errors=True)
    for case, plan in cases().items():
        for path, content in tree(plan).items():
            target = GOLDEN / case / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


if __name__ == "__main__":
    write()
