"""A stack file is read whole, or refused with everything that is wrong with it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from plan import StackError
from tests.stacks import SETUP, SMALLEST, changed, loaded


def refused(config: dict[str, Any], files: dict[str, str | None] | None = None) -> list[str]:
    """Return the faults of a stack file, a line each."""
    with pytest.raises(StackError) as error:
        loaded(config, files)
    head, *lines = str(error.value).splitlines()
    assert head == f"the stack file has {len(lines)} fault{'s' if len(lines) > 1 else ''}"
    return [line.removeprefix("  ") for line in lines]


def test_the_smallest_stack_has_every_default() -> None:
    """Two accounts, a shield, an origin and domains are enough; the rest has a sensible value."""
    stack, secrets = loaded()
    assert stack.network == IPv4Network("10.0.0.0/16")
    assert stack.network6.subnet_of(IPv6Network("fd00::/8"))
    assert stack.network6.prefixlen == 48
    assert stack.policy.separate == ("country", "account")
    assert stack.addresses == "keep"
    assert stack.shields["falkenstein"].image == "debian-12"
    assert stack.domains["secure.example.com"].tls == "passthrough"
    assert secrets.tokens["edge"].get_secret_value() == "e" * 64


def test_a_token_is_never_shown() -> None:
    """Neither the secrets nor a fault about them print a token."""
    _, secrets = loaded()
    assert "eeee" not in repr(secrets)
    faults = refused(changed(secrets__tokens__edge="short-but-secret"))
    assert "short-but-secret" not in "\n".join(faults)
    assert faults == [
        (
            "farshore:secrets.tokens.edge: 16 characters, allowed: an API token of 64 characters; "
            "pulumi config set --secret --path 'farshore:secrets.tokens.edge'"
        )
    ]


def test_a_setup_is_the_text_of_its_file() -> None:
    """The stack file names a file; the model holds what stands in it."""
    stack, _ = loaded(changed(origins__press__setup="press.yaml"), {"press.yaml": SETUP})
    assert stack.origins["press"].setup == SETUP


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        (
            changed(shilds={}),
            (
                "farshore:shilds: unknown key, allowed: network, network6, accounts, secrets, shields, origins, operators, "
                "gateways, meshes, domains, parties, policy, generations, active, addresses, break_glass, delivery, "
                "custody, max_key_age_days; did you mean 'shields'?"
            ),
        ),
        (
            changed(shields__falkenstein__sloot=1),
            (
                "farshore:shields.falkenstein.sloot: unknown key, allowed: slot, account, location, country, server_type, "
                "image, families, addresses, description, wireguard, edge, ssh; did you mean 'slot'?"
            ),
        ),
        (
            changed(origins__press__account="vaults"),
            "farshore:origins.press.account: 'vaults', allowed: edge, vault; did you mean 'vault'?",
        ),
        (
            changed(origins__press__location="nbg1"),
            (
                "farshore:origins.press: country 'DE', that of its shield 'falkenstein', allowed: another country "
                "(farshore:policy.separate); move one of them to another country"
            ),
        ),
        (
            changed(origins__press__account="edge"),
            (
                "farshore:origins.press: account 'edge', that of its shield 'falkenstein', allowed: another account "
                "(farshore:policy.separate); put one of them into an account of its own"
            ),
        ),
        (
            changed(origins__press__slot=0),
            "farshore:origins.press.slot: 0, allowed: 2 to 65533; choose a free one: 0 and 1 are the shields'",
        ),
        (
            changed(origins__press__slot=1),
            "farshore:origins.press.slot: 1, allowed: 2 to 65533; choose a free one: 0 and 1 are the shields'",
        ),
        (
            changed(origins__press__slot=255),
            (
                "farshore:origins.press.slot: 255, allowed: a number whose address does not end in .0, .1 or .255; "
                "choose a free one: those are the shields' and the subnets' own"
            ),
        ),
        (
            changed(origins__drop={**SMALLEST["origins"]["press"]}),
            "farshore:origins.drop.slot: 2, which press has, allowed: a slot of its own; choose a free one",
        ),
        (
            changed(shields__falkenstein__slot=16, network="10.0.0.0/20"),
            "farshore:shields.falkenstein.slot: 16, allowed: 0 to 15 in 10.0.0.0/20; choose a free one or widen network",
        ),
        (
            changed(network="203.0.113.0/24"),
            (
                "farshore:network: '203.0.113.0/24', allowed: a private network (in 10.0.0.0/8, 172.16.0.0/12, "
                "192.168.0.0/16); a public one belongs to somebody else"
            ),
        ),
        (
            changed(network="172.16.0.0/12"),
            (
                "farshore:network: '172.16.0.0/12', allowed: a network that does not overlap 172.31.1.0/24; "
                "Hetzner's gateway stands there, choose another"
            ),
        ),
        (
            changed(network="10.0.0.1/16"),
            "farshore:network: '10.0.0.1/16', allowed: a network without host bits; write 10.0.0.0/16",
        ),
        (
            changed(network="10.0.0.0/25"),
            "farshore:network: '10.0.0.0/25', allowed: /24 or larger; each shield needs a /24 of its own",
        ),
        (
            changed(network6="fe80::/48"),
            "farshore:network6: 'fe80::/48', allowed: a unique local /48 in fd00::/8; leave it out to have one derived",
        ),
        (
            changed(shields__falkenstein__location="fsn2"),
            (
                "farshore:shields.falkenstein.location: 'fsn2', allowed: fsn1, nbg1, hel1, ash, hil, sin; "
                "did you mean 'fsn1'?"
            ),
        ),
        (
            changed(origins__press__country="DE"),
            "farshore:origins.press.country: 'DE', allowed: FI, where hel1 is; remove it",
        ),
        (
            changed(domains__wwwDOTexampleDOTcom__origin="pres"),
            "farshore:domains.www.example.com.origin: 'pres', allowed: press; did you mean 'press'?",
        ),
        (
            changed(domains__wwwDOTexampleDOTcom__service="ftp"),
            "farshore:domains.www.example.com.service: 'ftp', allowed: web, tls; declare a service 'ftp' or name another",
        ),
        (
            changed(origins__press__services__web__port=0),
            "farshore:origins.press.services.web.port: 0, allowed: 1 to 65535; correct it",
        ),
        (
            changed(origins__press__services__web__port=65536),
            "farshore:origins.press.services.web.port: 65536, allowed: 1 to 65535; correct it",
        ),
        (
            changed(origins__press__services__web__port=8443),
            "farshore:origins.press.services.tls.port: 8443, which web has, allowed: a port of its own; choose a free one",
        ),
        (
            changed(domains__wwwDOTDOTexampleDOTcom={"origin": "press", "service": "web"}),
            (
                "farshore:domains.www..example.com: 'www..example.com', allowed: a domain name in lower case with at least "
                "one dot; write international names in their xn-- form"
            ),
        ),
        (
            changed(accounts__edge__home="Germany"),
            (
                "farshore:accounts.edge.home: 'Germany', allowed: an ISO 3166 code of two capital letters like FI; "
                "write DE"
            ),
        ),
        (
            changed(secrets__tokens__vault=None),
            (
                "farshore:secrets.tokens.vault: nothing, allowed: an API token of 64 characters; "
                "pulumi config set --secret --path 'farshore:secrets.tokens.vault'"
            ),
        ),
        (
            changed(origins__falkenstein={**SMALLEST["origins"]["press"], "slot": 3}),
            "farshore:origins.falkenstein: the name of a shield, allowed: a name of its own; rename one of them",
        ),
        (
            changed(origins__press__image="ubuntu-22.04"),
            (
                "farshore:origins.press.image: 'ubuntu-22.04', allowed: 'debian-12', 'debian-13' or 'ubuntu-24.04'; "
                "did you mean 'ubuntu-24.04'?"
            ),
        ),
        (
            changed(addresses="lose"),
            "farshore:addresses: 'lose', allowed: 'keep' or 'release'; choose one of them",
        ),
        (
            changed(origins__press__shields=[]),
            "farshore:origins.press.shields: [], allowed: at least one shield; name it",
        ),
    ],
    ids=lambda value: value.split(",")[0] if isinstance(value, str) else "",
)
def test_a_fault_says_where_what_and_how_to_mend_it(config: dict[str, Any], fault: str) -> None:
    """Each bad value is refused with exactly one line: where, found, allowed, remedy."""
    assert refused(config) == [fault]


@pytest.mark.parametrize(
    ("text", "allowed"),
    [
        (None, "the name of a file in the project's folder that can be read; correct it"),
        (
            "packages: [nginx]\n",
            "a file that begins with #cloud-config and holds a mapping; see cloud-init's documentation",
        ),
        (
            "#cloud-config\n- a\n",
            "a file that begins with #cloud-config and holds a mapping; see cloud-init's documentation",
        ),
        ("#cloud-config\na: [\n", "a #cloud-config in YAML; it does not parse (line 3)"),
    ],
)
def test_a_setup_that_is_no_cloud_config_is_refused(text: str | None, allowed: str) -> None:
    """A missing file, a missing first line, another shape and broken YAML each have their own remedy."""
    assert refused(changed(origins__press__setup="press.yaml"), {"press.yaml": text}) == [
        f"farshore:origins.press.setup: 'press.yaml', allowed: {allowed}"
    ]


def test_all_faults_of_a_file_come_together() -> None:
    """Faults of shape, of reference and of jurisdiction do not hide each other."""
    faults = refused(
        changed(
            shilds={},
            network="8.8.0.0/16",
            origins__press__slot=1,
            origins__press__location="fsn1",
            domains__wwwDOTexampleDOTcom__origin="prss",
            secrets__tokens__edge="x",
        )
    )
    assert [fault.split(": ")[0] for fault in faults] == [
        "farshore:domains.www.example.com.origin",
        "farshore:network",
        "farshore:origins.press",
        "farshore:origins.press.slot",
        "farshore:secrets.tokens.edge",
        "farshore:shilds",
    ]


def test_an_empty_stack_says_what_to_begin_with() -> None:
    """Without any key, the three that must be there are named."""
    assert refused({}) == [
        "farshore:accounts: nothing, allowed: at least one; name one for the shields and one for the origins",
        "farshore:origins: nothing, allowed: at least one; describe one",
        "farshore:shields: nothing, allowed: at least one; describe one",
    ]


@pytest.mark.parametrize("value", ["text", ["a"], 3])
def test_a_section_that_is_no_mapping_is_refused(value: Any) -> None:
    """A list or a word where names belong is one fault, and no traceback."""
    shown = "a list" if isinstance(value, list) else repr(value)
    assert f"farshore:domains: {shown}, allowed: a mapping; write `name: {{…}}`" in refused(changed(domains=value))


def test_a_new_location_is_taken_with_its_country() -> None:
    """What is newer than our table needs a country from the stack file, and is then judged by it."""
    loaded(changed(origins__press__location="new1", origins__press__country="CH"))
    assert "country 'DE'" in refused(changed(origins__press__location="new1", origins__press__country="DE"))[0]


def test_a_rule_that_is_not_asked_for_is_not_judged() -> None:
    """`separate: [country]` allows one account on both sides."""
    loaded(changed(policy={"separate": ["country"]}, origins__press__account="edge", secrets__tokens__vault="v" * 64))


def test_companies_are_compared_when_asked_for() -> None:
    """`separate: [company]` looks at the accounts' companies, not at their names."""
    same = changed(policy={"separate": ["company"]}, accounts__vault__company="Hetzner Online GmbH")
    assert refused(same)[0].startswith("farshore:origins.press: company 'Hetzner Online GmbH'")
    loaded(changed(policy={"separate": ["company"]}))


def test_a_name_without_end_does_not_fill_the_screen() -> None:
    """Wherever a message repeats it, one screen line or few are enough; a name that is fine is repeated whole."""
    endless, fine = "a" * 5000, "b" * 32
    for name, longest in ((endless, 700), (fine, 400)):
        said = refused(changed(**{f"accounts__{name}": {"company": "Example hf", "home": "IS"}}))
        said += refused(
            changed(shields__falkenstein__account="nobody", **{f"accounts__{name}": {"company": "E", "home": "IS"}})
        )
        assert max(map(len, said)) < longest
        assert any(name in line for line in said) is (name == fine)
