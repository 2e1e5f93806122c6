"""Stack files for tests: the smallest that works, and a way to change one thing in it."""

from __future__ import annotations

import copy
from datetime import date
from typing import Any

from plan import Plan, Secrets, Stack, load, make_plan

DAY = date(2026, 11, 1)
SETUP = "#cloud-config\npackages: [nginx]\nwrite_files:\n  - {path: /srv/page, content: hello}\n"
SMALLEST: dict[str, Any] = {
    "accounts": {
        "edge": {"company": "Hetzner Online GmbH", "home": "DE"},
        "vault": {"company": "Hetzner Finland Oy", "home": "FI"},
    },
    "secrets": {"tokens": {"edge": "e" * 64, "vault": "v" * 64}},
    "shields": {"falkenstein": {"slot": 0, "account": "edge", "location": "fsn1"}},
    "origins": {
        "press": {
            "slot": 2,
            "account": "vault",
            "location": "hel1",
            "shields": ["falkenstein"],
            "services": {"web": {"port": 8080}, "tls": {"port": 8443}},
        }
    },
    "domains": {
        "www.example.com": {"origin": "press", "service": "web", "tls": "none"},
        "secure.example.com": {"origin": "press", "service": "tls"},
    },
}


def changed(**values: Any) -> dict[str, Any]:
    """Return the smallest stack with one path set, or removed where the value is None.

    Args:
        values: `origins__press__slot=3` sets `origins.press.slot`; a dash is written as two capital D's.
    """
    config = copy.deepcopy(SMALLEST)
    for path, value in values.items():
        *parents, last = [part.replace("DD", "-").replace("DOT", ".") for part in path.split("__")]
        place = config
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last)
        else:
            place[last] = value
    return config


def loaded(config: dict[str, Any] | None = None, files: dict[str, str | None] | None = None) -> tuple[Stack, Secrets]:
    """Return a loaded stack named `dev` of project `farshore`."""
    return load(SMALLEST if config is None else config, project="farshore", stack="dev", day=DAY, files=files or {})


def planned(config: dict[str, Any] | None = None, files: dict[str, str | None] | None = None) -> Plan:
    """Return the plan of a stack."""
    return make_plan(loaded(config, files)[0])
