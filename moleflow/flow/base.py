"""The base: all that is trained with task 0, shared by every task, and frozen from then on."""

from collections.abc import Sequence

from FrEIA.framework import SequenceINN
from torch import nn

from moleflow.conditioning.context import SpatialMixer, new_gate
from moleflow.conditioning.multiscale import MultiscaleContext
from moleflow.config import Config
from moleflow.flow.coupling import CouplingBlock, Updates
from moleflow.streams import StreamName, torch_stream
from moleflow.types import Float, Patches, PerPatch, Tensor


class Base(nn.Module):
    """Multi-scale context, spatial mixer and coupling blocks."""

    def __init__(self, config: Config, grid: tuple[int, int], name: StreamName, channels: int = 0):
        """Args:
        grid: height and width of the patch grid.
        channels: of the backbone's raw maps, for multi-scale context.
        name: of the random stream that initial weights and permutations come from.
        """
        super().__init__()
        dim, kernel = config.patches.dim, config.mixer.kernel
        self.multiscale = (
            None
            if config.multiscale == "off"
            else MultiscaleContext(
                channels, dim, config.multiscale.kernel, torch_stream(*name, "multiscale")
            )
        )
        self.mixer = SpatialMixer(dim, kernel) if kernel else None
        self.gate = new_gate() if kernel and config.mixer.gate == "base" else None
        self.flow = SequenceINN(*grid, dim)
        for k in range(config.flow.blocks):
            self.flow.append(
                CouplingBlock,
                cond=k,
                cond_shape=(),
                config=config.flow,
                generator=torch_stream(*name, "block", k),
                precision=config.compute.precision,
            )

    @property
    def blocks(self) -> list[CouplingBlock]:
        return [block for block in self.flow if isinstance(block, CouplingBlock)]

    def mix(self, x: Patches, gate: Float[Tensor, ""] | None) -> Patches:
        """Spatial context; the gate is the task's where it owns one."""
        theta = self.gate if gate is None else gate
        return x if self.mixer is None or theta is None else self.mixer(x, theta)

    def encode(self, x: Patches, updates: Sequence[Updates | None]) -> tuple[Patches, PerPatch]:
        """Latent z and log|det dz/dx| per patch."""
        return self._run(x, updates, rev=False)

    def decode(self, z: Patches, updates: Sequence[Updates | None]) -> tuple[Patches, PerPatch]:
        """The inverse of `encode`, and its log-determinant."""
        return self._run(z, updates, rev=True)

    def _run(
        self, x: Patches, updates: Sequence[Updates | None], rev: bool
    ) -> tuple[Patches, PerPatch]:
        if len(self.flow) == 0:
            return x, x.new_zeros(x.shape[:-1])
        return self.flow(x, c=list(updates), rev=rev)
