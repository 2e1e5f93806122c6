"""The refusal to deploy to anything but a lab.

Pure but for one environment variable. A provider of Hetzner's cloud must point at a loopback address before
anything may be created, changed or deleted through it; for a real cloud, Pulumi itself is the engine.
"""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from lab.engine.provider import ProviderError
from lab.engine.urns import package_of, parse_urn
from lab.engine.values import unwrap

if TYPE_CHECKING:
    from lab.engine.values import Properties

ENDPOINTS: Final = {"hcloud": ("endpoint", "HCLOUD_ENDPOINT", "https://api.hetzner.cloud/v1")}
"""Packages that reach a cloud: the input, the variable and the default that say where."""


def check_lab_only(urn: str, inputs: Properties) -> None:
    """Refuse a provider that reaches anything but a lab.

    Args:
        urn: The provider's URN.
        inputs: Its configuration.

    Raises:
        ProviderError: Its endpoint is not plain HTTP on a loopback address.
    """
    parts = parse_urn(urn)
    reach = ENDPOINTS.get(package_of(parts.type))
    if reach is None:
        return
    key, variable, default = reach
    endpoint = unwrap(inputs.get(key)) or os.environ.get(variable) or default
    if not is_loopback(str(endpoint)):
        raise ProviderError(
            f"provider {parts.name}: endpoint {_shown(str(endpoint))}, allowed: a lab's API on a loopback "
            "address; use Pulumi itself for a real cloud"
        )


def is_loopback(endpoint: str) -> bool:
    """Tell whether an endpoint is plain HTTP on a loopback address; a name is none, for names can be changed."""
    try:
        url = urlsplit(endpoint)
        return url.scheme == "http" and ip_address(url.hostname or "").is_loopback
    except ValueError:
        return False


def _shown(endpoint: str) -> str:
    """Return the endpoint without a user's name and password."""
    scheme, separator, rest = endpoint.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"
