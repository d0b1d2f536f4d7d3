"""UMAEA, uncertainly missing and ambiguous visual modality (arXiv 2307.16210).

    python -m mmea_jax.main --config configs/umaea.py
    python -m mmea_jax.main --config configs/umaea.py:DBP15K/zh_en --config.data.missing.visual=0.05

Stages run in alphabetical order of their names: hybrid (1), imagination (2-1), refinement (2-2); the last
two are left out where there is nothing to imagine. Passes, rates and decays below are the published ones.
The generated data set, whose 630 training links are less than one published batch, gets few passes of small
batches at higher rates instead, chosen on its validation links to run in minutes.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import SYNTHETIC, base_config

# Not decayed in the published code, besides loss weights.
_UNDECAYED = ("bias$",)


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("umaea", mode)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width d of every modality
            "encoder": "attention",  # of structure; 'convolution' is the alternative
            "layers": 2,  # of the structure encoder
            "heads": 2,  # of its attention
            "entity_dropout": 0.0,  # share of entity rows hidden in a step; not in the paper
            "initial": "normal",  # of linear layers; 'uniform', smaller, is what the published code has
            "fills": ("visual",),  # absent rows filled in stage 1; () leaves them out, see models/umaea.py
            "imagines": ("visual",),  # modalities imagined where absent; () is the variant without CMMI
            "refinement": True,  # late modality refinement L_IIR (ablation)
            "confident": True,  # entity-level losses weighed by confidence (ablation)
            "inference": "static",  # joint embedding at inference; 'dynamic': weights of each entity
            # Whether that compares what is filled or imagined too, as published; without it more is found
            # where some entities have an image and some have none (experiments/results/umaea.md).
            "compare_absent": True,
            "fusion_heads": 1,  # of the transformer layer
            "inner": 400,  # width of its feed-forward part
            "dropout": 0.1,  # in it
            "temperature": 0.1,  # τ of the contrastive losses
            "align_temperature": 1.0,  # τ₂ of L_Sim
            "imagination_weights": (6000.0, 6000.0, 6000.0, 3000.0),  # of L_Re^vis, L_Re^hyb, L_Sim, L_KL
        }
    )
    config.stages.hybrid = _stage(
        epochs=250,  # passes over the training links
        learning_rate=5e-4,  # AdamW, peak; loss weights five times that
        weight_decay=1e-4,
    )
    config.stages.imagination = _stage(
        epochs=50,
        learning_rate=4e-3,
        weight_decay=3.0,
        trains=("imagination",),
        flags={"imagine": True, "reconstruct": True},
        inference={"imagine": True},
        needs="can_imagine",
    )
    config.stages.refinement = _stage(
        epochs=100,
        learning_rate=2e-4,
        weight_decay=1e-4,
        # All but these; where another modality is imagined, take its encoder out of the list.
        trains=("^(?!.*(imagination|entities|structure_encoder|encoders_relation|encoders_attribute))",),
        flags={"imagine": True},
        inference={"imagine": True},
        needs="can_imagine",
        hold=0.0,  # weight of the penalty that holds the visual layer (memory-aware synapses)
        held=("encoders_visual",),
    )
    if config.data.dataset == SYNTHETIC:
        for name, epochs, rate in (("hybrid", 30, 4e-3), ("imagination", 10, 4e-3), ("refinement", 10, 1e-3)):
            stage = config.stages[name]
            stage.epochs, stage.learning_rate, stage.batch_size = epochs, rate, 320
    return config


def _stage(**own) -> ConfigDict:
    shared = {
        "warmup": 0.15,  # share of the steps
        "clip": 1.0,  # global gradient norm
        "batch_size": 3500,  # pairs a step at most
        "equal_batches": True,  # the published code makes one batch of 3,500 and one of the rest
        "rates": {"modality_logits": 1.0},  # not among the loss weights here
        "undecayed": _UNDECAYED,
    }
    return ConfigDict(shared | own)
