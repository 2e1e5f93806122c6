"""Every name that is used is declared.

Pure. What has faults of its own is declared all the same; where a part that must be there is missing, that is the
fault, and not each name that it would declare.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plan.faults import Fault, shown, unknown_name
from plan.passages import SHIELDS, SSH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from plan.rules.draft import Draft


def judge_references(draft: Draft) -> Iterator[Fault]:
    """Yield a fault for each name that nobody declares."""
    accounts, shields = draft.declared.get("accounts", ()), draft.declared.get("shields", ())
    for where, _, host in draft.servers():
        if host.account is not None and accounts and host.account not in accounts:
            yield unknown_name(f"farshore:{where}.account", host.account, accounts, "an account")
    for name, origin in draft.origins.items():
        for shield in origin.shields or ():
            if shields and shield not in shields:
                yield unknown_name(f"farshore:origins.{name}.shields", shield, shields, "a shield")
    for where, _, device in draft.devices():
        for shield in device.shields or ():
            if shields and shield not in shields:
                yield unknown_name(f"farshore:{where}.shields", shield, shields, "a shield")
    yield from _domains(draft)
    yield from _sources(draft)
    yield from _reaches(draft)
    yield from _meshes(draft)
    yield from _waivers(draft)


def _domains(draft: Draft) -> Iterator[Fault]:
    origins = draft.declared.get("origins", ())
    for name, domain in draft.domains.items():
        if domain.origin is None or not origins:
            continue
        if domain.origin not in origins:
            yield unknown_name(f"farshore:domains.{name}.origin", domain.origin, origins, "an origin")
            continue
        services = draft.origins[domain.origin].services
        if domain.service is None or services is None:
            continue
        where = f"farshore:domains.{name}.service"
        if domain.service not in services:
            yield unknown_name(where, domain.service, tuple(services), "a service")
            continue
        service = services[domain.service]
        if service.protocol not in {"tcp", None}:
            yield Fault(where, f"{domain.service!r}, which is {service.protocol}", "a tcp service", "name another")
        if service.sources is not None and SHIELDS not in service.sources:
            key = f"farshore:origins.{domain.origin}.services.{domain.service}.from"
            yield Fault(key, ", ".join(service.sources) or "nobody", f"{SHIELDS} too, for {name}", f"add {SHIELDS}")


def _sources(draft: Draft) -> Iterator[Fault]:
    """Judge every `from`."""
    known = (*draft.declared.get("origins", ()), *(name for _, name, _, _ in draft.lans()))
    for origin, facts in draft.origins.items():
        for service, said in (facts.services or {}).items():
            for source in said.sources or ():
                if source != SHIELDS and source not in known:
                    where = f"farshore:origins.{origin}.services.{service}.from"
                    yield unknown_name(where, source, (SHIELDS, *known), "an origin or a LAN")
    for where, _, _, lan in draft.lans():
        for source in lan.sources or ():
            if source not in known:
                yield unknown_name(f"farshore:{where}.from", source, known, "an origin or a LAN")


def _reaches(draft: Draft) -> Iterator[Fault]:
    origins, shields = draft.declared.get("origins", ()), draft.declared.get("shields", ())
    lans = tuple(name for _, name, _, _ in draft.lans())
    for operator, said in draft.operators.items():
        where = f"farshore:operators.{operator}.reach"
        for wanted in said.reach or ():
            host, slash, part = wanted.partition("/")
            if host in lans and not slash:
                continue
            if host in shields:
                if part != SSH:
                    remedy = "that is all that a shield has for operators"
                    yield Fault(where, shown(wanted), f"'{host}/{SSH}'", remedy)
            elif host not in origins:
                yield unknown_name(where, host, (*origins, *lans, *shields), "an origin or a LAN")
            elif slash and part != SSH:
                services = draft.origins[host].services
                if services is not None and part not in services:
                    yield unknown_name(where, part, (*services, SSH), "a service")


def _waivers(draft: Draft) -> Iterator[Fault]:
    known = tuple(name for key in ("shields", "origins", "parties") for name in draft.declared.get(key, ()))
    for waiver in draft.policy.waivers:
        for host in waiver.hosts:
            if host not in known:
                yield unknown_name("farshore:policy.waivers.hosts", host, known, "a host")


def _meshes(draft: Draft) -> Iterator[Fault]:
    hosts = (*draft.declared.get("shields", ()), *draft.declared.get("origins", ()))
    for name, mesh in draft.meshes.items():
        for host in mesh.hosts or ():
            if host not in hosts:
                yield unknown_name(f"farshore:meshes.{name}.hosts", host, hosts, "a host")
        for pair in mesh.links or ():
            for host in pair:
                if mesh.hosts is not None and host not in mesh.hosts:
                    yield unknown_name(f"farshore:meshes.{name}.links", host, tuple(mesh.hosts), "a host of the mesh")
            if pair[0] == pair[1]:
                yield Fault(f"farshore:meshes.{name}.links", f"{pair[0]} twice", "two hosts", "name the other one")
