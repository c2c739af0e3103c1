"""How do the papers' models compare on the same pictures?

5 profiles x 3 seeds: 15 sequences, each of a model as its paper has it, with its own backbone,
size and epochs; `framework_v3` and `high_res` cost several times the others. Maps are scored at the
size of each one's images, so that pixel metrics are those of its paper. Feeds: report `ablation`.
Published on MVTec AD (pixel AP): 55.80 % main, 55.8 % method_v1_6, 58.57 % high_res; framework_v3
on three classes only; visa_vit on VisA only.

    moleflow run profiles --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

NAMES = ("main", "method_v1_6", "framework_v3", "high_res", "visa_vit")

STUDY = Study(
    question="How do the papers' models compare on the same pictures?",
    base=profiles.main(),
    axes=(Variants(baseline="main", variants={name: profiles.changes_of(name) for name in NAMES}),),
    seeds=(0, 1, 2),
    reports=("ablation",),
)
