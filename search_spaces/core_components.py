"""What does each component of the method contribute, taken out alone?

8 settings, one seed: 8 sequences. Feeds: report `ablation`. Published (Ablation Study, 1; one run
each): pixel AP 55.80 %; without the tail-aware loss −7.19 points, whitening −6.96, log-det term
−3.95, spatial mixer −2.87, position −1.81, scale context −1.28, LoRA −0.49. Without LoRA a task
keeps its biases. The deep invertible adapter is taken out in `flow_blocks`.

    moleflow run core_components --data DIR
"""

from moleflow import profiles
from orchestration.studies.axes import Variants
from orchestration.studies.study import Study

STUDY = Study(
    question="What does each component of the method contribute, taken out alone?",
    base=profiles.main(),
    axes=(
        Variants(
            baseline="main",
            variants={
                "main": {},
                "no tail-aware loss": {"loss.tail_weight": 0.0},
                "no whitening adapter": {"adapter": "none"},
                "no log-det term": {"loss.logdet_weight": 0.0},
                "no spatial mixer": {"mixer.kernel": 0},
                "no position code": {"position": "none"},
                "no scale context": {"flow.context_kernel": 0},
                "no LoRA": {"lora": "off"},
            },
        ),
    ),
    reports=("ablation",),
)
