"""MCLEA, multi-modal contrastive representation learning for entity alignment (arXiv 2209.00891).

    python -m mmea_jax.main --config configs/mclea.py
    python -m mmea_jax.main --config configs/mclea.py:DBP15K/zh_en --config.data.visual=none

Published settings: structure of width 300, the other modalities of width 100; AdamW at a constant 5e-4,
batch 7,500, 1,000 passes, iterative from pass 500. Here all modalities have one width, and the rate, the
passes and the batch are chosen to run in minutes. Published Hits@1 on DBP15K zh / ja / fr–en, 30 % seeds,
with images, without names, not iterative: .726 / .719 / .719.
Scores and times: experiments/results/.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("mclea", mode)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width d of every modality
            "encoder": "attention",  # of structure; 'convolution' is the alternative
            "layers": 2,  # of the structure encoder
            "heads": 2,  # of its attention
            "entity_dropout": 0.0,  # share of entity rows hidden in a step
            "initial": "normal",  # of linear layers; 'uniform', smaller, is what the published code has
            "temperature": 0.1,  # τ of the contrastive losses
            "alignment_temperature": 4.0,  # τ₂ of the alignment losses
            "contrast": True,  # contrastive losses of the modalities (ablation)
            "zoom": 0.1,  # scale of the alignment losses; 0 switches them off (ablation)
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
    return config
