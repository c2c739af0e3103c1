"""The reference loop: what one writes first, straight from docs/method.md, for bench_train.py.

PNG files are read and the backbone is run in every epoch; a low-rank update is two thin products
beside the frozen one; all else is left to autograd. B images, H x W patches, D channels.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm
import torch
from adamp import AdamP
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from moleflow.config import Config
from moleflow.config_parts import LoraConfig, WhiteningConfig

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class PlainBackbone:
    """resnet18's layer2 and layer3, to patch vectors on the grid of layer2."""

    def __init__(self, weights: dict[str, Tensor], dim: int):
        net = timm.create_model("resnet18", features_only=True, out_indices=(2, 3))
        net.load_state_dict(weights)
        self.net = net.eval().requires_grad_(False)
        self.dim = dim

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        maps = self.net(images)
        grid = maps[0].shape[-2:]
        stages = []
        for stage in maps:
            height, width = stage.shape[-2:]
            around = F.unfold(stage, 3, padding=1).transpose(1, 2)
            pooled = F.adaptive_avg_pool1d(around, self.dim).transpose(1, 2)
            pooled = pooled.reshape(len(images), self.dim, height, width)
            stages.append(F.interpolate(pooled, size=grid, mode="bilinear", align_corners=False))
        return torch.stack(stages).mean(dim=0).permute(0, 2, 3, 1)


def read_images(paths: Sequence[Path], size: int) -> Tensor:
    mean, std = torch.tensor(MEAN).view(3, 1, 1), torch.tensor(STD).view(3, 1, 1)
    images = []
    for path in paths:
        picture = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
        images.append((pixels - mean) / std)
    return torch.stack(images)


class PlainLora(nn.Module):
    """W x + b + (alpha / r) B A x + b_t; W and b are frozen."""

    def __init__(self, linear: tuple[Tensor, Tensor], task: dict[str, Tensor], scale: float):
        super().__init__()
        self.weight, self.base_bias = linear
        self.down, self.up = nn.Parameter(task["down"]), nn.Parameter(task["up"])
        self.bias = nn.Parameter(task["bias"])
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        low = F.linear(F.linear(x, self.down), self.up)
        return F.linear(x, self.weight, self.base_bias + self.bias) + self.scale * low


class PlainFlow(nn.Module):
    """Adapter, mixer, coupling blocks and DIA; starts from the bytes of a base and a fresh bank."""

    def __init__(
        self, config: Config, base: dict[str, Tensor], bank: dict[str, Tensor], code: Tensor
    ):
        super().__init__()
        assert isinstance(config.lora, LoraConfig) and config.lora.alpha != "r"
        scale = config.lora.alpha / config.lora.rank
        base = {name: tensor.clone() for name, tensor in base.items()}
        bank = {name: tensor.clone() for name, tensor in bank.items()}
        self.config, self.base, self.code = config, base, code
        self.gamma_raw = nn.Parameter(bank["adapter.gamma_raw"])
        self.beta_raw = nn.Parameter(bank["adapter.beta_raw"])
        self.lora = nn.ModuleDict()
        for k in range(config.flow.blocks):
            for slot in ("scale_in", "scale_out", "shift_in", "shift_out"):
                where = f"flow.module_list.{k}.subnet.{slot}"
                linear = base[f"{where}.weight"], base[f"{where}.bias"]
                task = {n: bank[f"updates.{k}.{slot}.{n}"] for n in ("down", "up", "bias")}
                self.lora[f"{k}_{slot}"] = PlainLora(linear, task, scale)
        self.dia = nn.ModuleList()
        for k in range(config.dia.blocks):
            for net in ("scale", "shift"):
                self.dia.append(self._dia_net(bank, f"dia.module_list.{k}.{net}"))

    def _dia_net(self, bank: dict[str, Tensor], where: str) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i in (0, 2, 4):
            weight = bank[f"{where}.{i}.weight"]
            linear = nn.utils.skip_init(nn.Linear, weight.shape[1], weight.shape[0])
            linear.weight, linear.bias = (
                nn.Parameter(weight),
                nn.Parameter(bank[f"{where}.{i}.bias"]),
            )
            layers += [linear, nn.ReLU()]
        return nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """log p and log-det, (B, H, W)."""
        assert isinstance(self.config.adapter, WhiteningConfig)
        low, high = self.config.adapter.gamma
        gamma = low + (high - low) * torch.sigmoid(self.gamma_raw)
        beta = self.config.adapter.beta * torch.tanh(self.beta_raw)
        x = gamma * F.layer_norm(x + self.code, x.shape[-1:], eps=1e-5) + beta
        a = torch.sigmoid(self.base["gate"])
        x = (1 - a) * x + a * depthwise(x, self.base["mixer.weight"], self.base["mixer.bias"])
        logdet = x.new_zeros(x.shape[:-1])
        for k in range(self.config.flow.blocks):
            x, more = self._block(x, k)
            logdet = logdet + more
        for k in range(self.config.dia.blocks):
            x, more = self._dia(x, k)
            logdet = logdet + more
        log_p = -0.5 * (x.square().sum(dim=-1) + x.shape[-1] * math.log(2 * math.pi)) + logdet
        return log_p, logdet

    def _block(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        flow, where = self.config.flow, f"flow.module_list.{k}"
        x1, x2 = x.chunk(2, dim=-1)
        weight = flow.context_max * torch.sigmoid(self.base[f"{where}.subnet.theta"])
        context = weight * depthwise(x1, self.base[f"{where}.subnet.context"], None)
        hidden = F.relu(self.lora[f"{k}_scale_in"](torch.cat([x1, context], dim=-1)))
        s = flow.clamp_limit * torch.tanh(0.1 * self.lora[f"{k}_scale_out"](hidden))
        u = 0.1 * self.lora[f"{k}_shift_out"](F.relu(self.lora[f"{k}_shift_in"](x1)))
        y = torch.cat([x1, x2 * torch.exp(s) + u], dim=-1)
        return y[..., self.base[f"{where}.permutation"]], s.sum(dim=-1)

    def _dia(self, x: Tensor, k: int) -> tuple[Tensor, Tensor]:
        given, changed = x.chunk(2, dim=-1)
        if k % 2:
            given, changed = changed, given
        limit = self.config.dia.clamp_limit
        s = limit * torch.tanh(self.dia[2 * k](given) / limit)
        y = changed * torch.exp(s) + self.dia[2 * k + 1](given)
        return torch.cat([y, given] if k % 2 else [given, y], dim=-1), s.sum(dim=-1)


def depthwise(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    side = weight.shape[-1]
    y = F.conv2d(x.permute(0, 3, 1, 2), weight, bias, padding=side // 2, groups=len(weight))
    return y.permute(0, 2, 3, 1)


def train(
    flow: PlainFlow, backbone: PlainBackbone, paths: Sequence[Path], order: torch.Generator
) -> float:
    """The last epoch's mean loss."""
    config = flow.config.training
    assert config.optimizer == "adamp" and config.dia_lr == 1
    optimizer = AdamP(flow.parameters(), lr=config.lr, weight_decay=config.weight_decay)
    total = 0.0
    for epoch in range(config.epochs):
        cosine = 0.5 * (1 + math.cos(math.pi * epoch / config.epochs))
        rate = config.eta_min_ratio + (1 - config.eta_min_ratio) * cosine
        rate *= min(1, (epoch + 1) / (config.warmup_epochs + 1))
        optimizer.param_groups[0]["lr"] = config.lr * rate
        total = 0.0
        for batch in torch.randperm(len(paths), generator=order).split(config.batch_size):
            images = read_images([paths[i] for i in batch], flow.config.image.size)
            log_p, logdet = flow(backbone(images))
            loss = plain_loss(-log_p, logdet, flow.config)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(flow.parameters(), config.clip_norm)
            optimizer.step()
            total += loss.item() * len(batch)
    return total / len(paths)


def plain_loss(nll: Tensor, logdet: Tensor, config: Config) -> Tensor:
    settings, per_image = config.loss, nll.flatten(1)
    count = max(1, int(settings.tail_ratio * per_image.shape[1]))
    tail = per_image.topk(count, dim=1).values.mean()
    mean = (1 - settings.tail_weight) * nll.mean() + settings.tail_weight * tail
    return mean + settings.logdet_weight * logdet.square().mean()
