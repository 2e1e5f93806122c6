"""One account: an explicit provider, so that nothing is ever made in an account by default."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_hcloud as hcloud

if TYPE_CHECKING:
    from pydantic import SecretStr


class Account(pulumi.ComponentResource):
    """Hold the provider of one cloud project.

    The API's address is the provider's own default, or HCLOUD_ENDPOINT in its environment.
    """

    def __init__(self, name: str, *, token: SecretStr, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("farshore:components:Account", name, None, opts)
        self.provider = hcloud.Provider(
            f"{name}-provider",
            token=pulumi.Output.secret(token.get_secret_value()),
            opts=pulumi.ResourceOptions(parent=self),
        )
        self.register_outputs({})
