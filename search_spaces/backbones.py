"""How much of the result is the backbone's?

4 backbones x 3 seeds: 12 sequences; DINOv2, with 37 x 37 patches of 518 px, costs twice the
baseline. Maps are scored at 224 px throughout, as pixel metrics depend on it. Weights are timm's
pretrained ones. Feeds: report `ablation`. Published: no comparison on one protocol; Ablation Study
uses WideResNet-50-2, Framework DINOv2.

    moleflow run backbones --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

DINOV2 = {
    "backbone.name": "vit_base_patch14_dinov2.lvd142m",
    "backbone.stages": ["blocks.8", "blocks.9", "blocks.10", "blocks.11"],
    "image.size": 518,
    "patches.neighbourhood": 1,
    "scoring.size": 224,
}

STUDY = Study(
    question="How much of the result is the backbone's?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="WideResNet-50-2",
            variants={
                "WideResNet-50-2": {},
                "ResNet-18": {"backbone.name": "resnet18"},
                "EfficientNet-B4": {
                    "backbone.name": "efficientnet_b4",
                    "backbone.stages": ["blocks.2", "blocks.4"],
                },
                "DINOv2 ViT-B/14": DINOV2,
            },
        ),
    ),
    seeds=(0, 1, 2),
    reports=("ablation",),
)
