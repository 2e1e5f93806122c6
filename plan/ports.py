"""Names and UDP ports of WireGuard's interfaces, from slots and generations.

Pure. Numbers that are not the operator's choice stand at the head of this module, each with its source.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from plan.values import FIRST_GENERATION

if TYPE_CHECKING:
    from plan.stack import Mesh
    from plan.stack.hosts import Origin, Shield

WIREGUARD_PORT: Final = 51820  # wg(8)'s examples; the first of a pair, one for each parity of the generation
MESH_PORT: Final = 52400  # above the last that an origin dials from (52331)


def parity(generation: int) -> int:
    """Return which of the two interfaces and ports a generation uses: 0 for the first, 1 for the second, and so on."""
    return (generation - FIRST_GENERATION) % 2


def shield_interface(generation: int) -> str:
    """Return the name of a shield's interface: one for all its origins and devices."""
    return f"fs{parity(generation)}"


def shield_port(shield: Shield, generation: int) -> int:
    """Return the UDP port on which a shield listens."""
    return (shield.wireguard.port or WIREGUARD_PORT) + parity(generation)


def origin_interface(shield_slot: int, generation: int) -> str:
    """Return the name of an origin's interface to one shield."""
    return f"fs{shield_slot}g{parity(generation)}"


def origin_port(origin: Origin, shield_slot: int, generation: int) -> int:
    """Return the UDP port from which an origin dials one shield (51820 to 52331, if it has no choice of its own)."""
    return (origin.wireguard.port or WIREGUARD_PORT) + 2 * shield_slot + parity(generation)


def mesh_interface(mesh_slot: int, generation: int) -> str:
    """Return the name of a host's interface in one mesh."""
    return f"fm{mesh_slot}g{parity(generation)}"


def mesh_port(mesh: Mesh, host: str, generation: int) -> int:
    """Return the UDP port on which a host listens in one mesh."""
    return (mesh.hosts[host].port or MESH_PORT + 2 * mesh.slot) + parity(generation)
