"""MIMEA, multi-grained interaction for multi-modal entity alignment (arXiv 2404.17590).

    python -m mmea_jax.main --config configs/mimea.py
    python -m mmea_jax.main --config configs/mimea.py:DBP15K/zh_en --config.data.visual=none

Scores, times and how the values below were found: experiments/results/mimea.md.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("mimea", mode)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width d of every modality
            "encoder": "attention",  # of structure; 'convolution' is the alternative
            "layers": 2,  # of the structure encoder
            "heads": 2,  # of its attention
            "initial": "normal",  # how linear layers start; 'uniform' is what the published codes have
            "entity_dropout": 0.0,  # share of entity rows hidden in a step; not in the paper
            "modality_dropout": 0.0,  # share of a pair's modalities hidden from the fusion; likewise
            "fusion": "beta",  # 'static': shared weights instead of Beta experts (ablation)
            "temperature": 0.05,  # initial τ of the contrastive losses
            "learn_temperature": True,
            "adaptive": True,  # uni-modal losses weighed by importance (ablation)
            "transport": 0.1,  # γ, weight of the transport loss; 0 switches it off (ablation)
            "transport_entities": 512,  # pairs of a batch that a transport problem is solved on
        }
    )
    config.stages.main = ConfigDict(
        {
            # Passes over the training links: on DBP15K two steps each, on the generated data one.
            "epochs": 40 if config.data.dataset == "synthetic" else 12,
            "learning_rate": 3e-3,  # AdamW, peak
            "weight_decay": 1e-2,
            "warmup": 0.1,  # share of the steps
            "clip": 1.0,  # global gradient norm
            "batch_size": 2048,  # pairs a step at most
        }
    )
    # Chosen on validation links of DBP15K/zh_en (experiments/results/mimea.md):
    config.data.bag_width = 4000
    config.matching.score = "joint+modal"
    config.matching.consensus = 3
    return config
