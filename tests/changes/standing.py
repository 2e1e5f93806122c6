"""A deployment under load: tests/delivery's, with a page of this folder's that also streams and echoes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml

from tests.first_light.deployed import ROOT

if TYPE_CHECKING:
    from pathlib import Path

SETUP: Final = "tests/changes/page.cloud-config.yaml"
_ROW: Final = re.compile(
    r"(?m)^ *(\+\+|\+-|-\+|[+~-])\s+.*?Command\s+farshore-delivery-[a-z0-9-]+\.([a-z0-9-]+)-(?:wait|apply|confirm)\b(?! refresh)"
)


def laden_file(folder: Path, **more: Any) -> Path:
    """Write the lab's own stack file with the page under load.

    Args:
        folder: For it.
        more: Sections of the stack file whose keys come on top.
    """
    document = yaml.safe_load((ROOT / "Pulumi.lab.yaml").read_text(encoding="utf-8"))
    document["config"]["farshore:origins"]["press"]["setup"] = SETUP
    for section, keys in more.items():
        document["config"].setdefault(f"farshore:{section}", {}).update(keys)
    path = folder / "Pulumi.laden.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


def asked(said: str) -> set[str]:
    """Return the hosts that an `up` ran something on, by what it said; what is forgotten or read again runs nothing."""
    return {host for sign, host in _ROW.findall(said) if sign != "-"}
