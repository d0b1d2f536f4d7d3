"""TMEA, multi-modal entity alignment under uncertain correspondences (NeurIPS 2024, OpenReview IAse6CAG26).

    python -m mmea_jax.main --config configs/tmea.py
    python -m mmea_jax.main --config configs/tmea.py:FBDB15K/norm --config.data.visual=simulated \
        --config.data.seed_ratio=0.2
    python -m mmea_jax.main --config configs/tmea.py:DBP15K/zh_en --config.data.visual=none \
        --config.data.features.attribute=abstracts.npz

The last one reads what `python -m mmea_jax.encoders.abstracts` writes; without, attribute names are a bag.
Bi-directional iteration, as published from pass 70 on and every 70 passes:

    --config.train.iterative.start=70

Scores, times and how the values below were found: experiments/results/tmea.md.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import SYNTHETIC, base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("tmea", mode)
    config.model = ConfigDict(
        {
            "width": 100,  # hidden width d of every modality
            "initial": "normal",  # of linear layers; 'uniform', smaller, is what the published code has
            "margin": 1.0,  # of the energies of a triple and of its corruption
            "pair_margin": 2.0,  # that the score of an aligned pair is to reach
            "translation": 1.0,  # weight of the translation loss
            "alignment": 1.0,  # weight of the losses of aligned pairs
            "pseudo": 0.1,  # weight of those of pseudo-links, relative to seed links
            "imputes": ("visual", "attribute"),  # modalities imputed where absent; () for none (ablation)
            "latent": 64,  # width of the auto-encoders' latent space
            "prior": 1.0,  # weight of their divergence from the prior, per entity
            "shared_latent": 0.01,  # weight of the distance between codes of one entity
            "imputation": 1.0,  # weight of all losses of the auto-encoders
            "commonality": True,  # modalities exchange by cross-attention (ablation)
            "heads": 2,  # of each cross-attention
            "num_tokens": 1,  # parts of a vector that it attends to; 1: nothing to choose from
            "orthogonal": 0.01,  # weight of the orthogonal constraint; 0 switches it off (ablation)
        }
    )
    config.stages.main = ConfigDict(
        {
            "epochs": 300,  # passes over the triples, swapped ones included
            "learning_rate": 1e-3,  # Adam, peak
            "weight_decay": 0.0,
            "warmup": 0.1,  # share of the steps
            "clip": 1e6,  # global gradient norm: none, for the sum over the triples has a large one
            "batch_size": 1 << 20,  # pairs a step at most: all of them
            "triple_batch": 5000,  # triples a step at most
            "pseudo_batch": 2500,  # pseudo-links a step at most
        }
    )
    if config.data.dataset == SYNTHETIC:
        # Some 25,000 triples with the swapped ones: published batches would leave five steps a pass.
        stage = config.stages.main
        stage.epochs, stage.learning_rate, stage.triple_batch = 40, 5e-3, 1000
    # Structure comes from translation; the bag of an entity's relations is not part of the method.
    config.data.relation = "none"
    # The paper compares joint vectors ('joint'); attributes and structure say too different amounts for that.
    config.matching.score = "joint+weighed"
    config.train.iterative.every = 70  # passes from one round to the next, where a start is set
    config.train.iterative.patience = 1  # rounds in which a pair must be mutual nearest
    return config
