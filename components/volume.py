"""A disk of an origin's that outlives its server, and the key that opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_hcloud as hcloud

from components.keys import data_key, stash

if TYPE_CHECKING:
    from plan import Host


class Volume(pulumi.ComponentResource):
    """Make a host's data volume in its account and location, empty; the host itself formats it.

    Its number is known before its server is ordered. Volume and key stay together: one without the other is of no use,
    so whatever protects one protects both.

    Args:
        name: Name of the component's children, which begin with it.
        host: The plan's.
        labels: As its server has them.
        opts: With the provider of the host's account.
    """

    def __init__(self, name: str, *, host: Host, labels: dict[str, str], opts: pulumi.ResourceOptions) -> None:
        data, keep = host.data, host.addresses_kept
        assert data is not None, f"{host.name}: no data in its plan"
        super().__init__("farshore:components:Volume", f"{name}-data", None, pulumi.ResourceOptions(parent=opts.parent))
        self._name, self._provider = name, opts.provider
        self._key = stash(f"{name}-data-key", data_key, parent=self, protect=keep) if data.encrypted else None
        self._volume = hcloud.Volume(
            f"{name}-volume",
            name=f"{host.server_name}-data",
            labels=labels,
            size=data.size_gb,
            location=host.location,
            delete_protection=keep,
            opts=self._options(protect=keep, delete_before_replace=True),
        )

    @property
    def number(self) -> pulumi.Output[str]:
        """Return the provider's number of it."""
        found: pulumi.Output[str] = self._volume.id
        return found

    @property
    def key(self) -> pulumi.Output[str]:
        """Return what opens it, a secret."""
        assert self._key is not None, "it is not encrypted"
        found: pulumi.Output[str] = self._key.output["private"]
        return found

    def attach(self, server: hcloud.Server) -> None:
        """Plug it in; when the server goes, it is left to the server's end, which unmounts it first."""
        hcloud.VolumeAttachment(
            f"{self._name}-attachment",
            volume_id=self._volume.id.apply(int),
            server_id=server.id.apply(int),
            opts=self._options(deleted_with=server, delete_before_replace=True),
        )
        self.register_outputs({})

    def _options(
        self, *, protect: bool | None = None, delete_before_replace: bool, deleted_with: pulumi.Resource | None = None
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self,
            provider=self._provider,
            protect=protect,
            delete_before_replace=delete_before_replace,
            deleted_with=deleted_with,
        )
