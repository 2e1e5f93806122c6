"""Whole stack files made at random: sound ones that use every feature, and such with one thing wrong."""

from __future__ import annotations

import copy
from base64 import b64encode
from datetime import date
from functools import cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
Config = dict[str, Any]

KEY: Final = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f a; $(reboot) `id` \"'#"
# All that means something to a shell, YAML, nft, wg-quick, haproxy or systemd, and letters that are none of ASCII.
NASTY: Final = (
    "\"'`;$(){}[]<>|&#%\\!?*~^=,:@/+- \taZ09éß漢字🙂ش" + "\n\r\x00\x0b\x1b\x7f\x85\u2028\u2029\u202e\ufeff\u00a0"
)
PLAIN: Final = "".join(letter for letter in NASTY if letter.isprintable())
PHRASES: Final = (
    "PostUp = reboot", "$(reboot)", "`reboot`", "; reboot", "# [Peer]", "[Interface]", "%i", "%n", "EOF", "}", "accept",
    "'; nft flush ruleset; '", "--- !!python/object", "{{ 1 }}", "\\n[Peer]", "${PATH}",
)  # fmt: skip
LANS: Final = tuple(f"172.20.{n}.0/24" for n in range(6)) + tuple(f"2001:db8:{n}::/64" for n in range(1, 4))


@cache
def texts() -> st.SearchStrategy[str]:
    """Return descriptions as nasty as the stack file allows them."""
    words = st.one_of(st.sampled_from(PHRASES), st.text(PLAIN, min_size=1, max_size=20))
    return st.lists(words, min_size=1, max_size=4).map(" ".join).filter(lambda text: bool(text.strip()))


@st.composite
def sound_configs(draw: st.DrawFn) -> Config:
    """Return the values of a stack file that has no fault."""
    return _Builder(draw).build()


class _Builder:
    """One stack file in the making: what is chosen later fits what was chosen before."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.config: Config = {}
        self.lows = iter(draw(st.permutations(range(2, 40))))
        self.lans = iter(LANS)
        self.carriers: dict[str, str] = {}  # LAN -> who carries it
        self.pairs: set[frozenset[str]] = set()

    def build(self) -> Config:
        draw = self.draw
        self.config = {"accounts": self.accounts(), "shields": self.shields()}
        self.config["origins"] = self.origins()
        self.config["gateways"] = self.gateways()
        self.config["meshes"] = self.meshes()
        self.flows()
        self.config["operators"] = self.operators()
        self.config["domains"] = self.domains()
        self.config["secrets"] = {
            "tokens": {name: letter * 64 for name, letter in zip(self.config["accounts"], "abc", strict=True)},
            "psks": {name: key(number) for number, name in enumerate(self.devices(), 100) if draw(st.booleans())},
        }
        network = draw(st.sampled_from([None, "10.0.0.0/16", "10.64.0.0/12", "192.168.0.0/16", "10.1.16.0/20"]))
        standing = draw(st.sampled_from([None, [1], [1, 2], [2, 3], [4]]))
        extras = {
            "network": network,
            "generations": standing,
            "active": draw(st.sampled_from([None, *(standing or [1])])),
            "network6": draw(st.sampled_from([None, "fd12:3456:789a::/48"])),
            "addresses": draw(st.sampled_from([None, "keep", "release"])),
            "delivery": draw(st.sampled_from([None, "ssh", "none"])),
            "break_glass": draw(
                st.sampled_from(
                    [None, {"public_key": KEY, "sources": ["192.0.2.0/24", "192.0.2.128/25", "2001:db8::/32"]}]
                )
            ),
            "parties": draw(st.sampled_from([None, {"ci": {"company": "Example; Inc. $(x)", "home": "US"}}])),
            "policy": self.policy(),
        }
        return self.config | {name: value for name, value in extras.items() if value is not None}

    def some(self, values: Sequence[T], least: int = 0, most: int = 3) -> list[T]:
        """Return a few of some values, in any order."""
        most = min(most, len(values))
        return (
            self.draw(st.lists(st.sampled_from(values), min_size=min(least, most), max_size=most, unique=True))
            if most
            else []
        )

    def maybe(self, **values: st.SearchStrategy[Any]) -> Config:
        """Return some of these keys, with a value for each."""
        return {name: self.draw(value) for name, value in values.items() if self.draw(st.integers(0, 2)) == 0}

    def accounts(self) -> Config:
        edge = self.draw(texts())
        # Whoever owns the hidden host's company may not be the shield's: the rules would refuse it, and rightly.
        owner = {"company": self.draw(texts().filter(lambda text: text.casefold() != edge.casefold())), "home": "NL"}
        return {
            "edge": {"company": edge, "home": "DE"},
            "vault": {"company": self.draw(texts()), "home": "FI", "parent": owner},
            "third": {"company": "Example hf", "home": "IS", "provider": "hcloud"},
        }

    def families(self) -> list[str]:
        # Everybody has IPv6: whatever is joined has one family in common.
        return self.draw(st.sampled_from([["ipv4", "ipv6"], ["ipv6"], ["ipv6", "ipv4"]]))

    def wireguard(self, ports: Sequence[int], endpoints: Sequence[Any]) -> Config:
        return self.maybe(
            port=st.sampled_from(ports), mtu_bytes=st.integers(1280, 1440), keepalive_s=st.integers(0, 65535),
            endpoint=st.sampled_from(endpoints),
        )  # fmt: skip

    def shields(self) -> Config:
        slots = self.draw(st.lists(st.integers(0, 15), min_size=1, max_size=3, unique=True))
        dialled = [{"host": "198.51.100.7", "port": 4500}, {"host": "2001:db8::7"}, {"host": "vpn.example.com"}]
        return {
            f"shield-{slot}": {
                "slot": slot, "account": self.draw(st.sampled_from(["edge", "third"])),
                "location": self.draw(st.sampled_from(["fsn1", "nbg1", "ash", "sin"])), "families": self.families(),
                "wireguard": self.wireguard([1024, 40000, 51820], dialled),
            } | self.maybe(
                description=texts(), server_type=st.sampled_from(["cx23", "new.1-x"]), edge=st.just("haproxy"),
                ssh=st.sampled_from(["off", "tunnel", ["192.0.2.0/24"], ["2001:db8::/32", "2001:db8:1::/48"]]),
            )
            for slot in slots
        }  # fmt: skip

    def origins(self) -> Config:
        places = [{"location": "hel1"}, {"location": "new1", "country": "CH"}]
        return {
            f"origin-{low}": {
                "slot": low + 256 * self.draw(st.integers(0, 3)), "account": "vault", "families": self.families(),
                "shields": self.some(list(self.config["shields"]), least=1), "services": self.services(),
                "wireguard": self.wireguard([30000, 45000, 51820], [{"host": "203.0.113.9", "port": 1}, {"host": "o.example.com"}]),
                "lans": self.networks(f"origin-{low}"),
            } | self.draw(st.sampled_from(places)) | self.maybe(
                description=texts(), ssh=st.sampled_from(["tunnel", "off"]), egress=st.sampled_from(
                    ["open", {"allow": [{"to": "anywhere", "ports": [443, 80], "user": "backup"}]}, {}]
                ),
            )
            for low in (next(self.lows) for _ in range(self.draw(st.integers(1, 4))))
        }  # fmt: skip

    def services(self) -> Config:
        ports = iter(self.draw(st.permutations([80, 443, 5432, 8080, 65535, 1])))
        return {
            name: {"port": next(ports), "protocol": self.draw(st.sampled_from(["tcp", "tcp", "udp"]))}
            for name in self.some(["web", "pg", "mail", "dns", "a"])
        }

    def networks(self, carrier: str, least: int = 0) -> Config:
        found = {}
        for number in range(self.draw(st.integers(least, 1))):
            network = next(self.lans)
            name = f"{carrier}-lan{number}"
            self.carriers[name] = carrier
            found[name] = {"network": network} | self.maybe(
                nat=st.booleans(), ports=st.sampled_from([[443], [80, 443, 80]])
            )
        return found

    def gateways(self) -> Config:
        return {
            f"site-{low}": {
                "slot": low, "public_key": key(low), "shields": self.some(list(self.config["shields"]), least=1, most=1),
                "lans": self.networks(f"site-{low}", least=1),
            } | self.maybe(description=texts(), enabled=st.booleans(), keepalive_s=st.integers(0, 100), mtu_bytes=st.integers(1280, 1440))
            for low in (next(self.lows) for _ in range(self.draw(st.integers(0, 2))))
        }  # fmt: skip

    def meshes(self) -> Config:
        found: Config = {}
        for slot in self.draw(st.lists(st.integers(0, 99), max_size=2, unique=True)):
            members = self.some([*self.config["origins"], *self.config["shields"]], least=2, most=4)
            pairs = [(a, b) for a, b in combinations(members, 2) if not self.joined(a, b)]
            links = self.some(pairs, least=1, most=4)
            if links:
                self.pairs |= {frozenset(pair) for pair in links}
                hosts = {name: self.maybe(port=st.just(60000 + 2 * slot)) for name in members}
                found[f"mesh-{slot}"] = {"slot": slot, "hosts": hosts, "links": [list(pair) for pair in links]}
        for name, origin in self.config["origins"].items():
            if not any(name in pair for pair in self.pairs) and self.draw(st.booleans()):
                origin["wireguard"]["endpoint"] = "none"
        return found

    def joined(self, one: str, other: str) -> bool:
        return frozenset((one, other)) in self.pairs or one in self.of(other) or other in self.of(one)

    def of(self, name: str) -> list[str]:
        """Return the shields of an origin, a gateway or an operator."""
        entries: Config = self.config["origins"] | self.config.get("gateways", {})
        return list(entries[name]["shields"]) if name in entries else []

    def met(self, one: str, other: str) -> bool:
        """Tell whether two hosts have a way to each other."""
        return one != other and (frozenset((one, other)) in self.pairs or bool(set(self.of(one)) & set(self.of(other))))

    def flows(self) -> None:
        """Let what has a way to each other flow."""
        for name, origin in self.config["origins"].items():
            for service in origin["services"].values():
                service["from"] = self.some(["shields", *self.sources(name, origins=True)])
            for lan in origin["lans"].values():
                lan["from"] = self.some(self.sources(name, origins=True))
        for name, gateway in self.config["gateways"].items():
            for lan in gateway["lans"].values():
                lan["from"] = self.some(self.sources(name, origins=True))

    def sources(self, target: str, *, origins: bool) -> list[str]:
        found = [name for name in self.config["origins"] if origins and self.met(name, target)]
        return found + [lan for lan, carrier in self.carriers.items() if self.met(carrier, target)]

    def operators(self) -> Config:
        found: Config = {}
        for low in (next(self.lows) for _ in range(self.draw(st.integers(0, 3)))):
            shields = self.some(list(self.config["shields"]))
            dialled = shields or list(self.config["shields"])
            full = self.draw(st.booleans())
            found[f"person-{low}"] = {
                "slot": low, "public_key": key(low), "reach": self.some(self.targets(dialled), most=4),
                "tunnel": "full" if full else "split",
                "dns": self.some(["192.0.2.53", "2001:db8:ffff::53"], least=1) if full else [], "shields": shields,
            } | self.maybe(
                description=texts(), enabled=st.booleans(), keepalive_s=st.integers(0, 65535),
                mtu_bytes=st.integers(1280, 1440), until=st.sampled_from(["2026-11-01", "2020-02-29", "2030-01-01"]),
            )  # fmt: skip
        return found

    def targets(self, dialled: Sequence[str]) -> list[str]:
        found = [f"{name}/ssh" for name in dialled if self.config["shields"][name].get("ssh") != "off"]
        for name, origin in self.config["origins"].items():
            if set(origin["shields"]) & set(dialled):
                found += [name, *(f"{name}/{service}" for service in origin["services"])]
                found += [f"{name}/ssh"] if origin.get("ssh") != "off" else []
        return found + [lan for lan, carrier in self.carriers.items() if set(self.of(carrier)) & set(dialled)]

    def devices(self) -> list[str]:
        return [*self.config["operators"], *self.config["gateways"]]

    def domains(self) -> Config:
        offered = [
            {"origin": name, "service": service}
            for name, origin in self.config["origins"].items()
            for service, said in origin["services"].items()
            if said["protocol"] == "tcp" and "shields" in said["from"]
        ]
        names = self.some(["www.example.com", "a.b", "xn--bcher-kva.example"]) if offered else []
        tls = st.sampled_from([{}, {"tls": "none"}, {"tls": "passthrough"}])
        return {name: self.draw(st.sampled_from(offered)) | self.draw(tls) for name in names}

    def policy(self) -> Config:
        waiver = {"rule": "home", "hosts": self.some(list(self.config["shields"]), least=1), "reason": self.draw(texts()),
                  "until": "2027-01-01"}  # fmt: skip
        return self.maybe(
            separate=st.sampled_from([["country"], ["account", "country", "account"], [], ["country", "account", "home", "parent"]]),
            avoid=st.just({"origin": ["five-eyes"], "ci": ["CN"]}), waivers=st.just([waiver]),
        )  # fmt: skip


def key(number: int) -> str:
    """Return a key of WireGuard's."""
    return b64encode(bytes([number]) * 32).decode()


@cache
def junk() -> st.SearchStrategy[Any]:
    """Return what nobody should write: of any type, of any size, of any depth."""
    scalars = st.one_of(
        st.none(), st.booleans(), st.integers(), st.integers(-3, 70000), st.integers(4000, 5000).map(lambda digits: 10**digits), st.floats(), st.text(NASTY, max_size=30),
        st.text(max_size=20), st.text(NASTY, min_size=300, max_size=400), st.dates(), st.datetimes(), st.binary(max_size=9),
        st.sampled_from(["NO", "yes", "0x10", "1_000", "1:30", "~", "10.0.0.0/8", "::/0", "fe80::1%x\n", "none", "open", "shields"]),
        st.sampled_from([key(7), "0.0.0.0/0", "\ud800", "२", "press/ssh/ssh", "/", "a" * 5000, date.max]),
    )  # fmt: skip
    deep: Any = "end"
    for _ in range(60):
        deep = {"a": [deep]}
    names = st.text(max_size=5) | st.none() | st.integers() | st.just("\ud800") | st.just("long" * 5000)
    flat = st.lists(scalars, max_size=3) | st.dictionaries(names, scalars, max_size=3)
    nested = st.lists(flat, max_size=2) | st.dictionaries(names, flat, max_size=2)
    return scalars | flat | nested | st.just(deep)


def paths(value: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the way to each place below a value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, below in entries:
        yield (name,)
        yield from ((name, *rest) for rest in paths(below))


@st.composite
def broken_configs(draw: st.DrawFn) -> Config:
    """Return a sound stack file with one to three places changed: another value, another name, gone, or twice."""
    config = copy.deepcopy(draw(sound_configs()))
    for _ in range(draw(st.integers(1, 3))):
        ways = list(paths(config))
        if not ways:
            break
        *parents, last = draw(st.sampled_from(ways))
        place: Any = config
        for parent in parents:
            place = place[parent]
        change: Callable[[Any, Any], None] = draw(st.sampled_from([_drop, _replace, _replace, _rename, _swap]))
        # A copy: the next change may go into it, and what is drawn from is the same for all examples.
        change(place, (last, copy.deepcopy(draw(junk())), str(draw(st.sampled_from(ways))[-1])))
    return config


def _drop(place: Any, what: Any) -> None:
    del place[what[0]]


def _replace(place: Any, what: Any) -> None:
    place[what[0]] = what[1]


def _rename(place: Any, what: Any) -> None:
    last, new, _ = what
    if isinstance(place, dict) and isinstance(new, (str, int, date, type(None))):
        place[new] = place.pop(last)


def _swap(place: Any, what: Any) -> None:
    """Put a name from elsewhere in the file where something else stood."""
    place[what[0]] = what[2]
