"""FrEIA 0.2's AllInOneBlock with the same weights gives the same z and log-determinant."""

import pytest
import torch
from FrEIA.modules import AllInOneBlock
from torch import nn

from moleflow.config_parts import FlowConfig
from moleflow.flow.coupling import CouplingBlock
from moleflow.flow.subnet import Subnet
from moleflow.streams import numpy_stream, torch_stream

DIM = 12


class JoinedSubnet(nn.Module):
    """Our subnet's two outputs side by side, as FrEIA wants them."""

    def __init__(self, subnet: Subnet):
        super().__init__()
        self.subnet = subnet

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        s, u = self.subnet(x[:, None, None, :], None)
        return torch.cat([s, u], dim=-1)[:, 0, 0, :]


def freia_block(ours: CouplingBlock, limit: float) -> AllInOneBlock:
    """FrEIA's block around our subnet, with our scale, offset and permutation."""

    def constructor(inputs: int, outputs: int) -> nn.Module:
        assert (inputs, outputs) == (DIM // 2, DIM)
        return JoinedSubnet(ours.subnet)

    theirs = AllInOneBlock([(DIM,)], subnet_constructor=constructor, affine_clamping=limit).double()
    matrix = torch.eye(DIM, dtype=torch.float64)[ours.get_buffer("permutation")]
    assert ours.affine is not None
    with torch.no_grad():
        theirs.w_perm.copy_(matrix)
        theirs.w_perm_inv.copy_(matrix.T)
        theirs.global_scale.copy_(ours.affine.scale_raw[None])
        theirs.global_offset.copy_(ours.affine.offset[None])
    return theirs


@pytest.mark.parametrize("kernel", [0, 3])
def test_block_is_freias_all_in_one_block(kernel: int) -> None:
    config = FlowConfig(context_kernel=kernel, train_global_affine=True)
    ours = CouplingBlock([(1, 1, DIM)], [()], config, torch_stream("block")).double()
    draws = torch_stream("weights")
    with torch.no_grad():
        for parameter in ours.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=draws).double())
    theirs = freia_block(ours, config.clamp_limit)
    x = torch.from_numpy(numpy_stream("x").normal(size=(5, DIM)))
    (z,), logdet = ours([x[:, None, None, :]])
    (expected,), expected_logdet = theirs([x])
    torch.testing.assert_close(z[:, 0, 0, :], expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(logdet[:, 0, 0], expected_logdet, rtol=0, atol=1e-12)
    (back,), minus = ours([z], rev=True)
    torch.testing.assert_close(back[:, 0, 0, :], x, rtol=0, atol=1e-12)
    torch.testing.assert_close(minus, -logdet, rtol=0, atol=1e-12)
