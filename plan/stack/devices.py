"""Devices in the stack file: operators' own and gateways to sites, which made their keys themselves.

Pure.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from plan.addresses import FIRST_HOST_SLOT, LAST_DEVICE_SLOT
from plan.networks import Address
from plan.stack.hosts import MAX_MTU_BYTES, MIN_MTU_BYTES, Lan
from plan.stack.strict import Strict
from plan.values import Day, Generation, Name, Names, Text, WireguardKey, Within


class Device(Strict):
    """A device that is not ours to make: it made its own key, and dials.

    Args:
        slot: 2 to 254: the device is 10.0.k.<slot> at shield k.
        public_key: Of its WireGuard key, in base64; the private half never leaves it.
        shields: Those that it may dial; all where it is left out.
        description: For people.
        enabled: False takes it off every host and keeps its entry.
        keepalive_s: Seconds between packets that keep a NAT open.
        mtu_bytes: Of packets inside, 1280 to 1440.
        generation: While keys rotate, the one that it dials: with the newer one it needs its new files. The older one
            where it is left out.
    """

    slot: Annotated[int, Within(FIRST_HOST_SLOT, LAST_DEVICE_SLOT, "choose a free one: 0 and 1 are the shields'")]
    public_key: WireguardKey
    shields: Names = ()
    description: Text | None = None
    enabled: bool = True
    keepalive_s: Annotated[int, Within(0, 65535, "25 suits most NATs")] = 25
    mtu_bytes: Annotated[int, Within(MIN_MTU_BYTES, MAX_MTU_BYTES, "IPv6 needs 1280, Ethernet and IPv4 leave 1440")] = (
        1420
    )
    generation: Generation | None = None


class Operator(Device):
    """A person's device, on the road.

    Args:
        tunnel: `split`: only what `reach` names goes through; `full`: everything does, and leaves by the shield.
        reach: What it may reach: `press` (all its services), `press/web`, `press/ssh`, or the name of a LAN.
        dns: Resolvers that the device asks while it is connected; `full` needs some. One of ours is asked at the
            shields through which `reach` leads to it.
        system: What it runs. `linux`: its file has commands of wg-quick(8), and under a full tunnel no name is asked
            past it. `any`: no commands, which apps on phones, macOS and Windows refuse; they see to that themselves.
        until: Last day on which it is let in; afterwards it is left out of every plan.
    """

    tunnel: Literal["split", "full"] = "split"
    reach: Names = ()
    dns: tuple[Address, ...] = ()
    system: Literal["any", "linux"] = "any"
    until: Day | None = None


class Gateway(Device):
    """A site of its own, behind whatever NAT: it only dials out, and carries LANs.

    Args:
        lans: Networks behind it, by name.
    """

    lans: Annotated[dict[Name, Lan], Field(min_length=1)]
