"""EVA, visual pivoting for entity alignment (arXiv 2009.13603).

    python -m mmea_jax.main --config configs/eva.py
    python -m mmea_jax.main --config configs/eva.py:DBP15K/zh_en --config.data.visual=none
    python -m mmea_jax.main --config configs/eva.py --config.train.pivot=visual --config.train.pivots=500

The last one is its unsupervised mode: nearest neighbours by image stand in for the seed links.

Published settings: graph convolution of widths 400, 400, 200, images mapped to 200, relations and attributes
to 100; AdamW at a constant 5e-4, batch 7,500, 1,000 passes, iterative from pass 500. Here all modalities
have one width, the rate is the peak of a cosine schedule, and passes and batch are chosen to run in minutes.
Published Hits@1 on DBP15K zh / ja / fr–en, 30 % seeds, with images, without names, not iterative:
.683 / .669 / .686.
Scores and times: experiments/results/.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("eva", mode)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width d of every modality
            "encoder": "convolution",  # of structure; 'attention' is the alternative
            "layers": 2,  # of the structure encoder
            "heads": 2,  # of its attention, where it has any
            "entity_dropout": 0.0,  # share of entity rows hidden in a step
            "initial": "normal",  # of linear layers; 'uniform', smaller, is what the published code has
            "alpha_structure": 5.0,  # α of the structure's loss
            "alpha": 15.0,  # α of the other losses
            "beta": 10.0,  # β of all losses
            "modal_losses": True,  # a loss for each modality; without, the joint loss trains all (ablation)
            "joint_loss": True,  # trains the modalities' weights (ablation)
        }
    )
    config.stages.main = ConfigDict(
        {
            "epochs": 100,  # passes over the training links
            "learning_rate": 5e-4,  # AdamW, peak; eight times this spoils the convolution's matrices
            "weight_decay": 1e-2,
            "warmup": 0.1,  # share of the steps
            "clip": 1.0,  # global gradient norm
            "batch_size": 2048,  # pairs a step at most
            "rates": {"modality_logits": 1.0},  # as published: the weights are no faster than the rest
        }
    )
    return config
