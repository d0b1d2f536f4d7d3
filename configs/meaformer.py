"""MEAformer, a multi-modal entity alignment transformer for meta modality hybrid (arXiv 2212.14454).

    python -m mmea_jax.main --config configs/meaformer.py
    python -m mmea_jax.main --config configs/meaformer.py:DBP15K/zh_en --config.data.visual=none

Published settings: AdamW with peak 5e-4 in a cosine schedule with 15 % warm-up, batch 3,500, τ .1, 250
passes on DBP15K; as flags:

    --config.stages.main.learning_rate=5e-4 --config.stages.main.batch_size=3500
    --config.stages.main.warmup=0.15 --config.stages.main.epochs=250 --config.stages.main.equal_batches=False
    --config.stages.main.weight_decay=1e-4 "--config.stages.main.undecayed=('bias$',)"
    --config.model.initial=uniform "--config.model.fills=('relation','attribute','visual')"

The shipped rate, passes and batch are chosen to run in minutes. Published Hits@1 on DBP15K zh / ja / fr–en,
30 % seeds, with images, without names, not iterative: .772 / .764 / .771.
Scores and times: experiments/results/.
"""

from ml_collections import ConfigDict

from mmea_jax.training.defaults import base_config


def get_config(mode: str = "") -> ConfigDict:
    config = base_config("meaformer", mode)
    config.model = ConfigDict(
        {
            "width": 300,  # hidden width d of every modality
            "encoder": "attention",  # of structure; 'convolution' is the alternative
            "layers": 2,  # of the structure encoder
            "heads": 2,  # of its attention
            "entity_dropout": 0.0,  # share of entity rows hidden in a step
            "initial": "normal",  # of linear layers; 'uniform', smaller, is what the published code has
            "fills": (),  # modalities whose absent rows are filled; all of them in the published code
            "fusion": "transformer",  # 'static': weights that all entities share (ablation)
            "fusion_heads": 1,  # of the transformer layer over an entity's modalities
            "inner": 400,  # width of its feed-forward part
            "dropout": 0.1,  # its rate
            "temperature": 0.1,  # τ of all losses
            "contrast": True,  # contrastive losses of the modal vectors (ablation)
            "hidden_contrast": True,  # and of the tokens behind the layer (ablation)
            "adaptive": False,  # losses weighed by confidence
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
            "equal_batches": True,  # the published code makes one batch of 3,500 and one of the rest
            "undecayed": (),  # parameters without decay besides loss weights; ('bias$',) as published
        }
    )
    return config
