"""MIMEA, multi-grained interaction for multi-modal entity alignment (arXiv 2404.17590).

python -m mmea_jax.main --config configs/mimea.py
python -m mmea_jax.main --config configs/mimea.py:DBP15K/zh_en --config.data.visual=none
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("mimea", mode)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width d of every modality
            "transport": 0.1,  # γ, weight of the transport loss; 0 switches it off
        }
    )
    config.stages.main = ConfigDict(
        {
            "epochs": 40,  # passes over the training links
            "learning_rate": 1e-3,  # AdamW, peak
            "weight_decay": 1e-2,
            "warmup": 0.1,  # share of the steps
            "clip": 1.0,  # global gradient norm
            "batch_size": 2048,  # pairs a step at most
        }
    )
    return config
