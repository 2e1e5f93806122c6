"""The rendering room: from a finished plan to text.

Pure: one format per module, and the bundle that joins them. Nothing is decided here.
"""

from cloud_init.bundle import Bundle, File, render_bundle
from cloud_init.delivered import render_delivered
from cloud_init.device import render_device
from cloud_init.material import Material, placeholder
from cloud_init.user_data import (
    MAX_USER_DATA_BYTES,
    RenderError,
    draft_user_data,
    render_birth,
    render_cloud_config,
    render_user_data,
)

__all__ = [
    "MAX_USER_DATA_BYTES",
    "Bundle",
    "File",
    "Material",
    "RenderError",
    "draft_user_data",
    "placeholder",
    "render_birth",
    "render_bundle",
    "render_cloud_config",
    "render_delivered",
    "render_device",
    "render_user_data",
]
