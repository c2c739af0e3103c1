"""Every table of the papers, as one study.

The union of their sixteen studies: on 15 classes 239 sequences are asked for, of which 147 differ.
Feeds: reports `ablation` and `task_order`; each part can be run by itself, too, and shares what is
known.

    moleflow run papers --data DIR
"""

from orchestration.studies.study import Study
from search_spaces import (
    context_kernel,
    context_synergy,
    core_components,
    flow_blocks,
    interactions,
    logdet_weight,
    lora_alpha,
    lora_rank,
    mixer_kernel,
    score_top_k,
    tail_ratio,
    tail_weight,
    task0,
    task_order,
    training_strategy,
    whitening_bounds,
)

STUDY = Study.union(
    "What do the papers' tables come to, run once more?",
    {
        "core_components": core_components.STUDY,
        "flow_blocks": flow_blocks.STUDY,
        "training_strategy": training_strategy.STUDY,
        "lora_rank": lora_rank.STUDY,
        "logdet_weight": logdet_weight.STUDY,
        "context_kernel": context_kernel.STUDY,
        "mixer_kernel": mixer_kernel.STUDY,
        "tail_weight": tail_weight.STUDY,
        "tail_ratio": tail_ratio.STUDY,
        "score_top_k": score_top_k.STUDY,
        "interactions": interactions.STUDY,
        "whitening_bounds": whitening_bounds.STUDY,
        "lora_alpha": lora_alpha.STUDY,
        "context_synergy": context_synergy.STUDY,
        "task_order": task_order.STUDY,
        "task0": task0.STUDY,
    },
    reports=("ablation", "task_order"),
)
