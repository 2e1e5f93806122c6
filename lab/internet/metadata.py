"""A server's metadata service, with Hetzner's paths.

Pure but for the web framework: a wish in, answers out.

Source:
    cloud-init, tests/unittests/sources/test_hetzner.py
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lab.internet import addresses

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from lab.wish import Wish

_BASE = "/hetzner/v1"
_REGIONS = {"ash": "us-east", "hil": "us-west", "sin": "ap-southeast"}


def plan_metadata(wish: Wish) -> dict[str, object]:
    """Return what the metadata document of a server says."""
    subnets: list[dict[str, object]] = []
    if wish.ipv4 is not None:
        resolvers = [str(address) for address in addresses.SITE_RESOLVERS]
        subnets.append({"type": "dhcp", "ipv4": True, "dns_nameservers": resolvers})
    if wish.ipv6 is not None:
        address = f"{wish.ipv6.network_address + 1}/{wish.ipv6.prefixlen}"
        gateway = str(addresses.GATEWAY_IPV6)
        resolvers = [str(address) for address in addresses.SITE_RESOLVERS6]
        static = {"type": "static", "ipv6": True, "address": address, "gateway": gateway, "dns_nameservers": resolvers}
        subnets.append(static)
    interface = {"type": "physical", "name": "eth0", "mac_address": wish.mac, "subnets": subnets}
    return {
        "availability-zone": f"{wish.location}-dc1",
        "hostname": wish.name,
        "instance-id": wish.server_id,
        "local-ipv4": "",
        "network-config": {"version": 1, "config": [interface]},
        "public-ipv4": str(wish.ipv4 or ""),
        "public-keys": list(wish.public_keys),
        "region": _REGIONS.get(wish.location, "eu-central"),
        "vendor_data": "",
    }


def make_metadata_app(wish_now: Callable[[], Wish]) -> Starlette:
    """Return the service of one server; it asks for the wish at each request, since user data may change per boot."""

    def metadata(_: Request) -> Response:
        return PlainTextResponse(yaml.safe_dump(plan_metadata(wish_now())))

    def one(request: Request) -> Response:
        known = plan_metadata(wish_now())
        key = request.path_params["key"]
        if key not in known:
            return PlainTextResponse("not found", status_code=404)
        value = known[key]
        return PlainTextResponse(value if isinstance(value, str) else yaml.safe_dump(value))

    def private_networks(_: Request) -> Response:
        return PlainTextResponse("[]\n")

    def user_data(_: Request) -> Response:
        text = wish_now().user_data
        return PlainTextResponse(text) if text else Response(status_code=204)

    return Starlette(
        routes=[
            Route(f"{_BASE}/metadata", metadata),
            Route(f"{_BASE}/metadata/private-networks", private_networks),
            Route(f"{_BASE}/metadata/{{key}}", one),
            Route(f"{_BASE}/userdata", user_data),
        ]
    )
