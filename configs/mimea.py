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
            "entity_dropout": 0.2,  # share of entity rows hidden in a step; a guess, not in the paper
            "modality_dropout": 0.3,  # share of a pair's modalities hidden from the fusion; likewise
            "fusion": "beta",  # 'static': shared weights instead of Beta experts (ablation)
            "temperature": 0.1,  # initial τ of the contrastive losses
            "learn_temperature": True,
            "adaptive": True,  # uni-modal losses weighed by importance (ablation)
            "transport": 0.1,  # γ, weight of the transport loss; 0 switches it off (ablation)
            "transport_entities": 512,  # pairs of a batch that a transport problem is solved on
        }
    )
    config.stages.main = ConfigDict(
        {
            "epochs": 40,  # passes over the training links
            "learning_rate": 4e-3,  # AdamW, peak
            "weight_decay": 1e-2,
            "warmup": 0.1,  # share of the steps
            "clip": 1.0,  # global gradient norm
            "batch_size": 2048,  # pairs a step at most
        }
    )
    config.matching.score = "joint+modal"  # chosen on validation links
    return config
