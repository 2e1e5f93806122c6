"""Read a stack file's values into a `Stack`, or say everything that is wrong with it at once.

Pure: plain values in (as `pulumi.Config` hands them over, and the texts of the files that they name), models out.
Each entry is validated alone, so that a fault in one never hides a fault in another.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from plan.addresses import subnet_count, unique_local_prefix
from plan.faults import Fault, StackError, choices, faults_of, nearest, unknown_name
from plan.jurisdiction import judge_hosts
from plan.stack import (
    TOKEN_LENGTH,
    Account,
    Addresses,
    BreakGlass,
    CloudConfig,
    Domain,
    DomainName,
    Name,
    Origin,
    Policy,
    Secrets,
    Shield,
    Stack,
    TunnelNetwork,
    UniqueLocal,
    keys_of,
    token_fault,
)
from plan.tables import hetzner

if TYPE_CHECKING:
    from collections.abc import Mapping

KEYS = (
    "network", "network6", "accounts", "secrets", "shields", "origins", "domains", "policy", "addresses", "break_glass",
)  # fmt: skip
M = TypeVar("M", bound=BaseModel)
Server = Shield | Origin


def load(
    config: Mapping[str, Any], *, project: str, stack: str, files: Mapping[str, str | None]
) -> tuple[Stack, Secrets]:
    """Return the stack and its secrets.

    Args:
        config: Values of the project's own namespace, without it: `{"network": "10.0.0.0/16", …}`.
        project: Pulumi's project name.
        stack: Pulumi's stack name.
        files: Texts of the files that the stack file names, None for one that is not there.

    Raises:
        StackError: With every fault of the file.
    """
    return _Reader(config, files).read(project, stack)


class _Reader:
    """One reading of one stack file: collects faults, keeps what is sound."""

    def __init__(self, config: Mapping[str, Any], files: Mapping[str, str | None]) -> None:
        self.config = {key: value for key, value in config.items() if value is not None}
        self.files = files
        self.faults: list[Fault] = []

    def read(self, project: str, stack: str) -> tuple[Stack, Secrets]:
        self._unknown_keys()
        accounts = self._section("accounts", Account, Name)
        shields = self._section("shields", Shield, Name)
        origins = self._section("origins", Origin, Name, self._with_setup)
        domains = self._section("domains", Domain, DomainName)
        whole = {
            key: self._single(key, adapter)
            for key, adapter in (
                ("network", TypeAdapter[Any](TunnelNetwork)),
                ("network6", TypeAdapter[Any](UniqueLocal)),
                ("policy", TypeAdapter[Any](Policy)),
                ("addresses", TypeAdapter[Any](Addresses)),
                ("break_glass", TypeAdapter[Any](BreakGlass)),
            )
            if key in self.config
        }
        self._slots(shields, origins, whole.get("network") or Stack.model_fields["network"].default)
        self._places(shields, origins)
        self._references(shields, origins, domains)
        secrets = self._secrets()
        self.faults += judge_hosts(accounts, shields, origins, whole.get("policy") or Policy())
        if self.faults:
            raise StackError(self.faults)
        whole.setdefault("network6", unique_local_prefix(project, stack))
        # Each part is validated already: construct joins them without validating twice.
        return Stack.model_construct(
            project=project,
            stack=stack,
            accounts=accounts,
            shields=shields,
            origins=origins,
            domains=domains,
            **whole,
        ), secrets

    def _fault(self, where: str, found: str, allowed: str, remedy: str) -> None:
        self.faults.append(Fault(f"farshore:{where}", found, allowed, remedy))

    def _unknown_keys(self) -> None:
        for key in self.config.keys() - set(KEYS):
            meant = nearest(key, KEYS)
            remedy = f"did you mean {meant!r}?" if meant else "remove it"
            self._fault(key, "unknown key", ", ".join(KEYS), remedy)
        for key, why in (
            ("accounts", "name one for the shields and one for the origins"),
            ("shields", "describe one"),
            ("origins", "describe one"),
        ):
            if not self.config.get(key):
                self._fault(key, "nothing", "at least one", why)

    def _mapping(self, where: str, value: object) -> Mapping[str, Any]:
        if isinstance(value, dict):
            return {str(key): entry for key, entry in value.items()}
        if value:
            self._fault(where, repr(value), "a mapping", "write `name: {…}`")
        return {}

    def _section(self, key: str, model: type[M], name: Any, prepare: Any = None) -> dict[str, M]:
        sound = {}
        for entry, value in self._mapping(key, self.config.get(key)).items():
            where = f"{key}.{entry}"
            try:
                TypeAdapter(name).validate_python(entry)
            except ValidationError as error:
                self.faults += faults_of(f"farshore:{where}", error, ())
            raw = self._mapping(where, {} if value is None else value)
            if prepare is not None:
                raw = prepare(where, raw)
            try:
                sound[entry] = model.model_validate(raw)
            except ValidationError as error:
                self.faults += faults_of(f"farshore:{where}", error, keys_of(model))
                sound[entry] = _sound_part(model, raw, {str(one["loc"][0]) for one in error.errors() if one["loc"]})
        return sound

    def _single(self, key: str, adapter: TypeAdapter[Any]) -> Any:
        try:
            return adapter.validate_python(self.config[key])
        except ValidationError as error:
            models: dict[str, type[BaseModel]] = {"policy": Policy, "break_glass": BreakGlass}
            keys = keys_of(models[key]) if key in models else ()
            self.faults += faults_of(f"farshore:{key}", error, keys)
            return None

    def _with_setup(self, where: str, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        """Put the text of an origin's cloud-config in the place of its file's name."""
        name = raw.get("setup")
        if name is None:
            return raw
        text = self.files.get(str(name))
        if text is None:
            self._fault(
                f"{where}.setup",
                repr(name),
                "a file in the project's folder that can be read",
                "correct the name",
            )
            return {key: value for key, value in raw.items() if key != "setup"}
        try:
            TypeAdapter(CloudConfig).validate_python(text)
        except ValidationError as error:
            allowed, _, remedy = str(error.errors()[0]["ctx"]["error"]).partition("; ")
            self._fault(f"{where}.setup", repr(name), allowed, remedy)
            return {key: value for key, value in raw.items() if key != "setup"}
        return {**raw, "setup": text}

    def _slots(self, shields: Mapping[str, Shield], origins: Mapping[str, Origin], network: Any) -> None:
        for key, hosts in (("shields", shields), ("origins", origins)):
            used: dict[int | None, list[str]] = defaultdict(list)
            for name, host in hosts.items():
                used[host.slot].append(name)
            used.pop(None, None)
            for slot, names in used.items():
                for name in names[1:]:
                    self._fault(
                        f"{key}.{name}.slot",
                        f"{slot}, which {names[0]} has",
                        "a slot of its own",
                        "choose a free one",
                    )
        room = subnet_count(network)
        for name, shield in shields.items():
            if shield.slot is not None and shield.slot >= room:
                self._fault(
                    f"shields.{name}.slot",
                    repr(shield.slot),
                    f"0 to {room - 1} in {network}",
                    "choose a free one or widen network",
                )
        for name in sorted(shields.keys() & origins.keys()):
            self._fault(f"origins.{name}", "the name of a shield", "a name of its own", "rename one of them")

    def _places(self, shields: Mapping[str, Shield], origins: Mapping[str, Origin]) -> None:
        table = hetzner()
        for where, host in _hosts(shields, origins):
            if host.location is None:
                continue
            known = table.locations.get(host.location)
            if known is None and host.country is None:
                meant = nearest(host.location, tuple(table.locations))
                remedy = f"did you mean {meant!r}?" if meant else f"or add its country: our table is of {table.day}"
                self._fault(f"{where}.location", repr(host.location), ", ".join(table.locations), remedy)
            if known is not None and host.country not in {None, known.country}:
                self._fault(
                    f"{where}.country",
                    repr(host.country),
                    f"{known.country}, where {host.location} is",
                    "remove it",
                )

    def _references(
        self, shields: Mapping[str, Shield], origins: Mapping[str, Origin], domains: Mapping[str, Domain]
    ) -> None:
        declared = {key: tuple(self._mapping(key, self.config.get(key))) for key in ("accounts", "shields", "origins")}
        for where, host in _hosts(shields, origins):
            if host.account is not None and host.account not in declared["accounts"]:
                self._unknown(f"{where}.account", host.account, declared["accounts"], "an account")
        for name, origin in origins.items():
            for shield in origin.shields or ():
                if shield not in declared["shields"]:
                    self._unknown(f"origins.{name}.shields", shield, declared["shields"], "a shield")
            ports: dict[int, str] = {}
            for service, facts in (origin.services or {}).items():
                if facts.port in ports:
                    self._fault(
                        f"origins.{name}.services.{service}.port", f"{facts.port}, which {ports[facts.port]} has",
                        "a port of its own", "choose a free one",
                    )  # fmt: skip
                ports[facts.port] = service
        for name, domain in domains.items():
            if domain.origin is None:
                continue
            if domain.origin not in declared["origins"]:
                self._unknown(f"domains.{name}.origin", domain.origin, declared["origins"], "an origin")
                continue
            services = origins[domain.origin].services
            if domain.service is not None and services is not None and domain.service not in services:
                self._unknown(f"domains.{name}.service", domain.service, tuple(services), "a service")

    def _unknown(self, where: str, name: str, known: tuple[str, ...], kind: str) -> None:
        self.faults.append(unknown_name(f"farshore:{where}", name, known, kind))

    def _secrets(self) -> Secrets:
        raw = self.config.get("secrets") or {}
        found = raw if isinstance(raw, dict) else {}
        if not isinstance(raw, dict):
            self._fault("secrets", "no mapping", "a mapping", "set it with `pulumi config set --secret --path`")
        for key in found.keys() - set(keys_of(Secrets)):
            self._fault(f"secrets.{key}", "unknown key", choices(keys_of(Secrets)), "remove it")
        tokens = found.get("tokens") or {}
        accounts = self._mapping("accounts", self.config.get("accounts"))
        if not isinstance(tokens, dict):
            self._fault("secrets.tokens", "no mapping", "a token for each account", "set it with --path")
            tokens = {}
        for account in accounts:
            where = f"secrets.tokens.{account}"
            wrong = "nothing" if account not in tokens else token_fault(tokens[account])
            if wrong:
                self._fault(
                    where, wrong, f"an API token of {TOKEN_LENGTH} characters",
                    f"pulumi config set --secret --path 'farshore:{where}'",
                )  # fmt: skip
        for account in tokens.keys() - accounts.keys():
            self._unknown(f"secrets.tokens.{account}", account, tuple(accounts), "an account")
        return Secrets.model_validate({"tokens": {str(k): str(v) for k, v in tokens.items()}})


def _sound_part(model: type[M], raw: Mapping[str, Any], faulty: set[str]) -> M:
    """Return what can still be judged of an entry that has faults: its faulty and missing keys are None."""
    fields = model.model_fields
    kept = {
        key: TypeAdapter[Any](fields[key].rebuild_annotation()).validate_python(value)
        for key, value in raw.items()
        if key in fields and key not in faulty
    }
    return model.model_construct(**(dict.fromkeys(faulty & fields.keys()) | kept))


def _hosts(shields: Mapping[str, Shield], origins: Mapping[str, Origin]) -> list[tuple[str, Server]]:
    """Return all hosts, each with its key in the stack file."""
    return [
        *((f"shields.{name}", shield) for name, shield in shields.items()),
        *((f"origins.{name}", origin) for name, origin in origins.items()),
    ]
