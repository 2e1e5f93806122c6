"""What a host may reach, who reaches it, and which line of the stack file says so, in plain words.

Pure: a finished plan in, statements out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from plan.addresses import as_text
from plan.faults import choices
from plan.model import Device, Host

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from plan.addresses import Network
    from plan.model import Plan, Site
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
        because: Key of the stack file that says so; where none can, `always:` and the reason.
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
    said = [
        *_outside(plan, found),
        *_visitors(plan, name),
        *_tunnels(plan, found),
        *_flows(plan, name, names),
        *_through(found, names),
        *_internet(found),
    ]
    return tuple(sorted(dict.fromkeys(said), key=lambda one: TOPICS.index(one.topic)))


def title(plan: Plan, name: str) -> str:
    """Return one line that says what a host or device is."""
    found = next(one for one in plan.everybody if one.name == name)
    if isinstance(found, Host):
        what = f"{found.role} in {found.country}, account {found.account} ({found.company}, {found.home})"
        lans = f", with {', '.join(map(str, found.lans))} behind it" if found.lans else ""
        return f"{name}: {what}, {found.address} and {found.address6}{lans}"
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


def _keys(plan: Plan) -> Mapping[tuple[str, str, str], str]:
    """Return the key that asks for each tunnel of a host, by its name, its interface and the peer."""
    found = {(one.near, one.near_interface, one.far): one.because for one in plan.tunnels}
    found |= {(one.far, one.far_interface, one.near): one.because for one in plan.tunnels}
    devices = {device.name: device.key for device in plan.devices}
    return found | {
        (shield.name, interface.name, peer.name): f"{devices[peer.name]}.shields"
        for shield in plan.shields
        for interface in shield.interfaces
        for peer in interface.peers
        if peer.name in devices
    }


def _outside(plan: Plan, found: Host | Device) -> Iterator[Statement]:
    """Tell who reaches a host from outside its tunnels."""
    if isinstance(found, Device):
        yield Statement(
            topic="reached by", text=f"{NOBODY} by us: what it shows is its owner's choice", because=found.key
        )
        return
    for port in found.firewall.visitor_ports:
        yield Statement(topic="reached by", text=f"{EVERYBODY} on tcp {port}", because=f"{found.key}.edge")
    for source in found.firewall.ssh_sources:
        yield Statement(topic="reached by", text=f"{source} on tcp 22 (SSH)", because=found.ssh_because)
    yield from _diallers(plan, found)
    if not found.firewall.visitor_ports and not found.firewall.ssh_sources and not found.firewall.roaming:
        text = f"{NOBODY} else from the Internet"
        yield Statement(topic="reached by", text=text, because="always: an origin shows nothing")
    yield _delivery(found)


def _delivery(host: Host) -> Statement:
    """Tell how a change reaches a host that runs."""
    if host.way is None:
        how = "delivery" if host.ssh else "SSH"
        text = f"{NOBODY} by {how}: it changes by replacement only"
        return Statement(topic="reached by", text=text, because=f"{host.key}.ssh")
    through = f" through {choices(host.way.shields)}" if host.way.shields else ""
    text = f"whoever deploys, by SSH{through}: for its next configuration and nothing else"
    return Statement(topic="reached by", text=text, because=host.ssh_because)


def _diallers(plan: Plan, host: Host) -> Iterator[Statement]:
    """Tell who may speak to a host's tunnels from outside: hosts by their addresses, and anybody where one has none."""
    ports, keys = ", ".join(map(str, host.firewall.wireguard_ports)), _keys(plan)
    known = {one.name: one for one in plan.everybody}
    anywhere = []
    said: set[str] = set()  # of two generations of a tunnel, one
    for interface in host.interfaces:
        for peer in interface.peers:
            other = known[peer.name]
            if isinstance(other, Device):
                anywhere.append((peer.name, other.key))
                continue
            if peer.name in said:
                continue
            said.add(peer.name)
            because = keys[host.name, interface.name, peer.name]
            yield Statement(topic="reached by", text=f"{peer.name} on udp {ports} (its tunnel)", because=because)
            if peer.endpoint is not None and isinstance(peer.endpoint.address, str):
                anywhere.append((peer.name, f"{other.key}.wireguard.endpoint"))
    if anywhere:
        names = choices(dict.fromkeys(name for name, _ in anywhere))
        text = f"{EVERYBODY} on udp {ports}, where only a known key gets an answer: for {names}"
        yield Statement(topic="reached by", text=text, because=anywhere[0][1])


def _visitors(plan: Plan, name: str) -> Iterator[Statement]:
    """Tell whose visitors a host answers, or passes on."""
    ways: dict[Site, list[str]] = {}
    for shield in plan.shields:
        for site in shield.sites:
            ways.setdefault(site, []).append(shield.name)
    for site, shields in ways.items():
        because = f"farshore:domains.{site.domain}"
        if site.origin == name:
            text = f"visitors of {site.domain} on tcp {site.port}, through {', '.join(shields)}"
            yield Statement(topic="reached by", text=text, because=because)
        if name in shields:
            tls = "their TLS as it is" if site.tls == "passthrough" else "in clear"
            text = f"visitors of {site.domain} to {site.origin} on tcp {site.port}, {tls}"
            yield Statement(topic="passes through it", text=text, because=because)


def _tunnels(plan: Plan, found: Host | Device) -> Iterator[Statement]:
    if isinstance(found, Host):
        keys = _keys(plan)
        for interface in found.interfaces:
            for peer in interface.peers:
                text = f"{peer.name} by {interface.name}, packets of at most {interface.mtu_bytes} bytes"
                yield Statement(topic="tunnels", text=text, because=keys[found.name, interface.name, peer.name])
        return
    for tunnel in found.tunnels:
        text = f"{tunnel.shield}, as {tunnel.addresses[0].ip}, packets of at most {tunnel.mtu_bytes} bytes"
        yield Statement(topic="tunnels", text=text, because=f"{found.key}.shields")


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
    key = f"{found.key}.egress"
    if found.firewall.egress is None:
        because = "always: only origins are held back" if found.role == "shield" else key
        yield Statement(topic=topic, text="anything", because=because)
        return
    for permit in found.firewall.egress:
        asked = permit.because.startswith("farshore:")
        because = permit.because if asked else f"always: {permit.because}, without which no host stays sound"
        yield Statement(topic=topic, text=_permit(permit), because=because)
    yield Statement(topic=topic, text="nothing else", because=key)


def _permit(permit: Permit) -> str:
    where = (
        "anywhere" if any(net.prefixlen == 0 for net in permit.networks) else ", ".join(map(as_text, permit.networks))
    )
    who = f", as the user {permit.user}" if permit.user else ""
    return f"{permit.protocol} {', '.join(map(str, permit.ports))} to {where}{who}"


def _service(flow: Flow) -> str:
    ports = f" {', '.join(map(str, flow.ports))}" if flow.ports else ""
    protocol = {"any": "tcp and udp" if flow.ports else "everything"}.get(flow.protocol, flow.protocol)
    return f"{protocol}{ports} ({flow.name})"


def _owners(networks: Iterable[Network], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names.get(str(network), str(network)) for network in networks))


def _is(owner: str, name: str) -> bool:
    return owner == name or owner.endswith(f" behind {name}")
