"""Shapes by letter, used in every annotation.

B images, H x W patch grid, D channels, S pixels, N samples.

Annotations are checked by beartype in the tests only (tests/conftest.py installs the hook).
"""

from jaxtyping import Bool, Float, Float64, Int, UInt8
from torch import Tensor

Images = Float[Tensor, "b 3 s s"]
Patches = Float[Tensor, "b h w d"]
PerPatch = Float[Tensor, "b h w"]
PerImage = Float[Tensor, " b"]
RoutingFeatures = Float64[Tensor, "n d"]

__all__ = [
    "Bool",
    "Float",
    "Float64",
    "Images",
    "Int",
    "Patches",
    "PerImage",
    "PerPatch",
    "RoutingFeatures",
    "Tensor",
    "UInt8",
]
