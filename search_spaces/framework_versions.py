"""What did each version of the framework, and of FrEIA under it, change?

5 settings x 3 seeds: 15 sequences at 518 px, some twice as dear as `main`. The framework's third
version against its second (no FiLM adapter), its first (updates half as large, too), and against
the coupling of FrEIA as it was developed further: another clamp, a global affine that is trained.
Not to be had, and so not varied: instance norm in the second version, and a task 0 without
low-rank updates in the first. Feeds: report `ablation`. Published (Framework, 6; leather, grid and
transistor, one run each): image AUROC 82.86, 93.07, 95.04 %, pixel AUROC 86.28, 92.38, 93.13 % for
the first, second and third version.

    moleflow run framework_versions --data DIR --classes leather grid transistor
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="What did each version of the framework, and of FrEIA under it, change?",
    base=profiles.framework_v3(),
    axes=(
        Variants(
            baseline="third",
            variants={
                "third": {},
                "second": {"adapter": "none"},
                "first": {"adapter": "none", "lora.alpha": 0.5},
                "third, soft clamp": {"flow.clamp": "soft"},
                "third, trained global affine": {"flow.train_global_affine": True},
            },
        ),
    ),
    seeds=(0, 1, 2),
    reports=("ablation",),
)
