"""What a host has before its own table, and instead of it when that is refused: closed, with no name in it.

Pure.
"""

from __future__ import annotations

from typing import Final

from cloud_init.nftables.words import METADATA


def _closed(*output: str) -> str:
    """Return a table that lets nothing in or through but what a host needs to have an address at all."""
    metadata = "\n".join(
        f"    {family} daddr {where} meta skuid != 0 reject with icmpx admin-prohibited" for family, where in METADATA
    )
    ways_out = "\n".join(f"    {rule}" for rule in output)
    return f"""\
#!/usr/sbin/nft -f
# Farshore: closed. Loaded before the network; the real table replaces it.
table inet farshore {{
}}
flush table inet farshore
table inet farshore {{
  chain input {{
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iifname "lo" accept
    udp sport 67 udp dport 68 accept
    ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept
    icmpv6 type {{ nd-neighbor-solicit, nd-neighbor-advert, nd-router-advert }} ip6 hoplimit 255 accept
  }}
  chain forward {{
    type filter hook forward priority filter; policy drop;
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oifname "lo" accept
{metadata}
{ways_out}
  }}
}}
""".replace("\n\n", "\n")


# From a server's first second until its bundle is there: its packages are fetched by apt's own user.
BIRTH: Final = _closed()
# At every later start: root alone speaks, to mend it; the host's application does not show its address.
CLOSED: Final = _closed(
    "ct state established,related accept",
    "meta skuid != 0 reject with icmpx admin-prohibited",
)
