"""Turn a server as the API shows it into the outputs of the resource. Pure."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab.engine.values import Properties


def server_outputs(server: dict[str, Any], known: Properties) -> Properties:
    """Return the outputs that the API decides.

    Args:
        server: The API's server.
        known: State or plan: an image given by its id stays an id, and inline networks are shown only if there
            are any.
    """
    public = server["public_net"]
    ipv4, ipv6 = public.get("ipv4"), public.get("ipv6")
    network = None if ipv6 is None else ipaddress.IPv6Network(ipv6["ip"])
    outputs: Properties = {
        "name": server["name"],
        "location": server["location"]["name"],
        "status": server["status"],
        "serverType": server["server_type"]["name"],
        "ipv4Address": "" if ipv4 is None else ipv4["ip"],
        "ipv6Address": "" if network is None else f"{network.network_address}1",
        "ipv6Network": "<nil>" if network is None else str(network),  # what Go prints for no network
        "backupWindow": server["backup_window"] or "",
        "backups": bool(server["backup_window"]),
        "labels": server["labels"],
        "deleteProtection": server["protection"]["delete"],
        "rebuildProtection": server["protection"]["rebuild"],
        "firewallIds": sorted(item["id"] for item in public["firewalls"]),
        "primaryDiskSize": server["primary_disk_size"],
        "placementGroupId": (server.get("placement_group") or {"id": 0})["id"],
    }
    image = server.get("image")
    if image is not None:
        by_id = not image.get("name") or str(image["id"]) == known.get("image")
        outputs["image"] = str(image["id"]) if by_id else image["name"]
    if known.get("networks"):
        outputs["networks"] = [_network(item, known["networks"]) for item in server["private_net"]]
    return outputs


def _network(attached: dict[str, Any], known: list[Properties]) -> Properties:
    outputs: Properties = {
        "networkId": 0,
        "subnetId": "",
        "ip": attached["ip"],
        "aliasIps": sorted(attached["alias_ips"]),
        "macAddress": attached["mac_address"],
    }
    for item in known:
        subnet_id = item.get("subnetId") or ""
        network_id = int(subnet_id.partition("-")[0]) if subnet_id else item.get("networkId")
        if network_id == attached["network"]:
            return outputs | {"networkId": attached["network"], "subnetId": subnet_id}
    return outputs
