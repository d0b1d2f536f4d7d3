"""MSNEA, multi-modal Siamese network for entity alignment (KDD 2022, doi 10.1145/3534678.3539244).

    python -m mmea_jax.main --config configs/msnea.py
    python -m mmea_jax.main --config configs/msnea.py:DBP15K/zh_en --config.data.visual=none
    python -m mmea_jax.main --config configs/msnea.py:FBDB15K/norm --config.data.visual=none

Published settings: width 100, margin 1, one corruption a triple, Adam at a constant 1e-3, 5,000 triples and
all training pairs a step, 200 passes over the triples; these are kept, but for the cosine schedule. Published
MSNEA knows structure, images and attributes, these by frozen text embeddings of the attributes' names and by
their values; here the words of the bag are learnt. The relation bag (and names, where asked for) are further
modalities with a linear layer, as in the other methods; `--config.data.relation=none` leaves it out.
Its paper reports on FB15K–DB15K and FB15K–YAGO15K. Hits@1 that later papers give for it on DBP15K zh / ja /
fr–en, 30 % seeds, with images, without names, not iterative: .609 / .541 / .557.
Scores and times: experiments/results/.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("msnea", mode)
    config.model = ConfigDict(
        {
            "width": 100,  # hidden width d of every modality
            "initial": "normal",  # of linear layers; 'uniform' is the alternative
            "margin": 1.0,  # of the energies of a triple and of its corruption
            "pair_margin": 2.0,  # that the score of an aligned pair is to reach
            "translation": 1.0,  # weight of the entity vectors' translation loss
            "visual_translation": 1.0,  # weight of the image vectors'; 0 switches it off (ablation)
            "alignment": 1.0,  # weight of the losses of aligned pairs
            "modal_losses": True,  # such losses of each modality besides the joint vectors' (ablation)
            "guided": True,  # images guide the attention over attributes (ablation)
            "shared_projection": False,  # of images, for translation and for alignment
        }
    )
    config.stages.main = ConfigDict(
        {
            "epochs": 200,  # passes over the triples
            "learning_rate": 1e-3,  # Adam, peak
            "weight_decay": 0.0,
            "warmup": 0.1,  # share of the steps
            "clip": 1e6,  # global gradient norm: none, for the sum over the triples has a large one
            "batch_size": 1 << 20,  # pairs a step at most: all of them
            "triple_batch": 5000,  # triples a step at most
        }
    )
    return config
