"""What a host may reach, who reaches it, and which line of the stack file says so, in plain words.

Pure: a finished plan in, statements out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from plan.model import Device, Host
from plan.model.refs import Ref

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from plan.addresses import Network
    from plan.model import Plan
    from plan.model.firewall import Flow, Permit

Topic = Literal["reached by", "reaches", "passes through it", "says to the Internet", "tunnels"]
TOPICS: Final[tuple[Topic, ...]] = (
    "tunnels", "reached by", "reaches", "passes through it", "says to the Internet",
)  # fmt: skip
EVERYBODY: Final = "anybody on the Internet"
NOBODY: Final = "nobody"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One sentence about a host.

    Args:
        topic: What it is about.
        text: The sentence, without a full stop.
        because: Key of the stack file that says so, or the reason where none does.
    """

    topic: Topic
    text: str
    because: str


def explain(plan: Plan, name: str) -> tuple[Statement, ...]:
    """Return all that is to be said of a host or a device, in the order of the topics.

    Raises:
        KeyError: The plan has none of this name.
    """
    known = {one.name: one for one in plan.everybody}
    found = known[name]
    names = _names(plan)
    said = [*_outside(found), *_tunnels(found), *_flows(plan, name, names), *_through(found, names), *_internet(found)]
    return tuple(sorted(dict.fromkeys(said), key=lambda one: TOPICS.index(one.topic)))


def title(plan: Plan, name: str) -> str:
    """Return one line that says what a host or device is."""
    found = next(one for one in plan.everybody if one.name == name)
    if isinstance(found, Host):
        what = f"{found.role} in {found.country}, account {found.account} ({found.company}, {found.home})"
        return f"{name}: {what}, {found.address}"
    addresses = ", ".join(str(tunnel.addresses[0].ip) for tunnel in found.tunnels)
    what = "operator's device" if found.kind == "operator" else "gateway"
    return f"{name}: {what}, {addresses}"


def _names(plan: Plan) -> Mapping[str, str]:
    """Return whose each network is."""
    found: dict[str, str] = {}
    for host in plan.hosts:
        for address in (host.address, host.address6):
            found[f"{address}/{address.max_prefixlen}"] = host.name
    for device in plan.devices:
        for tunnel in device.tunnels:
            found |= {f"{own.ip}/{own.max_prefixlen}": device.name for own in tunnel.addresses}
    for one in plan.everybody:
        found |= {str(lan): f"{lan} behind {one.name}" for lan in one.lans}
    return found


def _outside(found: Host | Device) -> Iterator[Statement]:
    """Tell who reaches a host from outside its tunnels."""
    if isinstance(found, Device):
        yield Statement(
            topic="reached by", text=f"{NOBODY} by us: what it shows is its owner's choice", because="a device"
        )
        return
    key = f"farshore:{found.role}s.{found.name}"
    for port in found.firewall.visitor_ports:
        yield Statement(topic="reached by", text=f"{EVERYBODY} on tcp {port}", because=f"{key}.edge")
    for source in found.firewall.ssh_sources:
        yield Statement(
            topic="reached by", text=f"{source} on tcp 22", because="farshore:break_glass.sources or its ssh"
        )
    ports = ", ".join(map(str, found.firewall.wireguard_ports))
    if found.firewall.roaming:
        text = f"{EVERYBODY} on udp {ports}, where only a known key gets an answer"
        yield Statement(topic="reached by", text=text, because="a peer dials from anywhere")
    elif found.firewall.peers:
        peers = sorted({ref.of if isinstance(ref, Ref) else str(ref) for ref in found.firewall.peers})
        yield Statement(topic="reached by", text=f"{', '.join(peers)} on udp {ports}", because="its tunnels")
    if not found.firewall.visitor_ports and not found.firewall.ssh_sources and not found.firewall.roaming:
        yield Statement(
            topic="reached by", text=f"{NOBODY} else from the Internet", because=f"{found.role}s show nothing"
        )


def _tunnels(found: Host | Device) -> Iterator[Statement]:
    if isinstance(found, Host):
        for interface in found.interfaces:
            for peer in interface.peers:
                text = f"{peer.name} by {interface.name}, {interface.mtu_bytes} bytes"
                yield Statement(topic="tunnels", text=text, because=f"generation {interface.generation}")
        return
    for tunnel in found.tunnels:
        text = f"{tunnel.shield}, as {tunnel.addresses[0].ip}, {tunnel.mtu_bytes} bytes"
        yield Statement(topic="tunnels", text=text, because=f"farshore:{found.kind}s.{found.name}.shields")


def _flows(plan: Plan, name: str, names: Mapping[str, str]) -> Iterator[Statement]:
    """Tell the flows of which a host is an end, itself or for a LAN behind it."""
    for host in plan.hosts:
        for flow in (*host.firewall.accepts, *host.firewall.forwards):
            sources, ends = _owners(flow.sources, names), _owners(flow.destinations, names)
            yield from (
                Statement(topic="reached by", text=f"{source} on {_service(flow)}", because=because)
                for end in ends
                if _is(end, name)
                for source in sources
                for because in flow.because
            )
            yield from (
                Statement(topic="reaches", text=f"{end} on {_service(flow)}", because=because)
                for source in sources
                if _is(source, name)
                for end in ends
                for because in flow.because
            )


def _through(found: Host | Device, names: Mapping[str, str]) -> Iterator[Statement]:
    flows = found.firewall.forwards if isinstance(found, Host) else found.forwards
    for flow in flows:
        for source in _owners(flow.sources, names):
            for end in _owners(flow.destinations, names):
                for because in flow.because:
                    text = f"{source} to {end} on {_service(flow)}"
                    yield Statement(topic="passes through it", text=text, because=because)
    if isinstance(found, Device):
        return
    for device in _owners(found.firewall.internet, names):
        text = f"{device} to the Internet, under this host's address"
        yield Statement(topic="passes through it", text=text, because=f"farshore:operators.{device}.tunnel")


def _internet(found: Host | Device) -> Iterator[Statement]:
    if isinstance(found, Device):
        return
    topic: Topic = "says to the Internet"
    if found.firewall.egress is None:
        because = "shields may" if found.role == "shield" else f"farshore:origins.{found.name}.egress"
        yield Statement(topic=topic, text="anything", because=because)
        return
    for permit in found.firewall.egress:
        yield Statement(topic=topic, text=_permit(permit), because=permit.because)


def _permit(permit: Permit) -> str:
    where = "anywhere" if any(net.prefixlen == 0 for net in permit.networks) else ", ".join(map(str, permit.networks))
    who = f", as {permit.user}" if permit.user else ""
    return f"{permit.protocol} {', '.join(map(str, permit.ports))} to {where}{who}"


def _service(flow: Flow) -> str:
    ports = f" {', '.join(map(str, flow.ports))}" if flow.ports else ""
    protocol = {"any": "tcp and udp" if flow.ports else "everything"}.get(flow.protocol, flow.protocol)
    return f"{protocol}{ports} ({flow.name})"


def _owners(networks: Iterable[Network], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names.get(str(network), str(network)) for network in networks))


def _is(owner: str, name: str) -> bool:
    return owner == name or owner.endswith(f" behind {name}")
