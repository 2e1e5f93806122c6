"""A host's firewall in nft(8)'s language: one table of our own, default drop, IPv4 and IPv6.

Pure. docs/firewall.md draws the table and says what each counter means.
"""

from cloud_init.nftables.closed import BIRTH, CLOSED
from cloud_init.nftables.outward import user_lines
from cloud_init.nftables.table import render_nftables

__all__ = ["BIRTH", "CLOSED", "render_nftables", "user_lines"]
