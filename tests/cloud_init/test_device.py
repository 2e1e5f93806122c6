"""What a device is told is what wg-quick(8) and nft(8) take, without a key of anybody's but its shield's public one."""

from __future__ import annotations

from typing import Any

from cloud_init import Material, render_device
from cloud_init.device import PRESHARED_KEY, PRIVATE_KEY
from plan.model.refs import Ref
from tests.plan.test_topologies import key, whole
from tests.stacks import planned

MATERIAL = Material(
    {
        "public:falkenstein/fs0": key(9),
        "public:ashburn/fs0": key(8),
        "ipv4:falkenstein": "198.51.100.1",
        "ipv4:ashburn": "198.51.100.2",
    }
)


def file_of(name: str, shield: str, **values: Any) -> str:
    """Return the file of a device for one shield, of the whole stack with changes."""
    device = next(one for one in planned(whole(**values)).devices if one.name == name)
    tunnel = next(one for one in device.tunnels if one.shield == shield)
    return render_device(device, tunnel, MATERIAL)


def test_a_split_tunnel_carries_what_it_may_reach() -> None:
    """The device's own address at this shield, the shield's key and address, and no private key."""
    network6 = planned(whole()).shields[0].address6
    assert file_of("laptop", "ashburn") == "\n".join(
        [
            "# laptop to ashburn",
            "[Interface]",
            PRIVATE_KEY,
            f"Address = 10.0.1.200/32, {str(network6).replace('::1', '')}:1::c8/128",
            "MTU = 1380",
            "",
            "[Peer]",
            f"PublicKey = {key(8)}",
            f"AllowedIPs = 10.0.1.1/32, {str(network6).replace('::1', '')}:1::1/128, 10.0.0.2/32, {str(network6)[:-1]}2/128",
            "Endpoint = 198.51.100.2:51820",
            "PersistentKeepalive = 25",
            "",
        ]
    )


def test_a_full_tunnel_carries_everything_and_asks_its_own_resolvers() -> None:
    """Both families and the resolvers that the stack file names."""
    lines = file_of("phone", "falkenstein").splitlines()
    assert "AllowedIPs = 0.0.0.0/0, ::/0" in lines
    assert "DNS = 192.0.2.53" in lines
    assert not any(line.startswith("DNS") for line in file_of("laptop", "falkenstein").splitlines())


def test_under_a_full_tunnel_no_name_is_asked_past_it() -> None:
    """A file for wg-quick(8) refuses it; an app's has no commands, and neither has one that leads only inside."""
    phone = whole()["operators"]["phone"]
    guarded = file_of("phone", "falkenstein", operators={"phone": {**phone, "system": "linux"}}).splitlines()
    (rule,) = [line for line in guarded if "add rule" in line]
    assert rule == (
        'PostUp = nft \'add rule inet farshore_names out meta mark 0 oifname != { "lo", "%i" } '
        "meta l4proto { tcp, udp } th dport { 53, 853 } counter reject with icmpx admin-prohibited'"
    )
    assert "PostDown = nft 'delete table inet farshore_names'" in guarded
    assert "PostUp" not in file_of("phone", "falkenstein")
    split = {**phone, "system": "linux", "tunnel": "split"}
    assert "PostUp" not in file_of("phone", "falkenstein", operators={"phone": split})


def test_a_gateway_forwards_what_is_named_and_drops_the_rest_of_the_tunnel() -> None:
    """One rule for each flow; everything else between the tunnel and the site is dropped, the site's own is not."""
    rules = [line for line in file_of("site", "falkenstein").splitlines() if line.startswith("PostUp = nft")]
    assert (
        "PostUp = nft 'add rule inet farshore_gateway forward ip saddr { 192.168.9.0/24 } ip daddr { 192.168.10.0/24 } accept'"
        in rules
    )
    assert rules.index("PostUp = nft 'add rule inet farshore_gateway forward meta iifname \"%i\" drop'") > max(
        at for at, rule in enumerate(rules) if rule.endswith("accept'")
    )
    assert not any("masquerade" in rule for rule in rules)


def test_a_preshared_key_is_a_marker_too() -> None:
    """Outputs are no place for it: the device has it already."""
    config = whole()
    config["secrets"]["psks"] = {"laptop": key(5)}
    device = next(one for one in planned(config).devices if one.name == "laptop")
    text = render_device(device, device.tunnels[0], MATERIAL)
    assert PRESHARED_KEY in text
    assert key(5) not in text
    assert Ref("psk", "laptop") not in device.references()
    assert PRESHARED_KEY not in file_of("laptop", "falkenstein")
