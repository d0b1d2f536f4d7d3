"""What can be asked of completion data, with defaults and the allowed values."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mmea_jax.data.checks import check_choice, check_features, check_least, check_ratio, check_shares
from mmea_jax.data.options import SyntheticOptions
from mmea_jax.vocabulary import COMPLETION_MODALITIES

_CHOICES = {
    "visual": ("auto", "files", "simulated", "none"),
    "text": ("auto", "files", "names", "none"),
    "validation": ("held_out", "files", "none"),
    "missing_of": ("all", "test"),
}
_LEAST = {
    "split_seed": 0,
    "missing_seed": 0,
    "simulated_width": 1,
    "text_width": 1,
}


@dataclasses.dataclass(frozen=True)
class CompletionOptions:
    """One data set to be completed, what validates, and which modalities are kept."""

    dataset: str = "synthetic"  # 'synthetic', or a folder below root such as 'MKGC/DB15K'
    root: Path | None = None  # folder that holds the data sets; needed for all but 'synthetic'
    validation: str = "held_out"  # 'held_out' of train | 'files': what is clean of valid2id | 'none'
    valid_ratio: float = 0.05  # share of training triples held out; at least 100 triples
    split_seed: int = 0  # draws the triples that are held out
    visual: str = "auto"  # 'auto': files, else simulated | 'files' | 'simulated' | 'none'
    text: str = "auto"  # 'auto': files, else names | 'files' | 'names': hashed words and letters | 'none'
    # Modality -> a feature file (.npz, .safetensors, .npy, .pth) that stands in for what the data set has.
    features: Mapping[str, str | Path] = dataclasses.field(default_factory=dict)
    missing: Mapping[str, float] = dataclasses.field(default_factory=dict)  # modality -> share kept
    missing_of: str = "all"  # 'all' entities, or 'test': those of test triples alone lose rows
    ambiguous: Mapping[str, float] = dataclasses.field(default_factory=dict)  # modality -> share
    missing_seed: int = 0  # draws the rows that go missing or turn ambiguous, the same for every model
    simulated_width: int = 128  # width of simulated visual features
    simulated_present: float = 0.78  # share of entities that get a simulated image
    text_width: int = 256  # width of text features made of names
    synthetic: SyntheticOptions = dataclasses.field(default_factory=SyntheticOptions)


def check(options: CompletionOptions) -> None:
    """Refuses options outside their allowed values, before a file is opened.

    Raises:
      InputError: naming the option, the value, and what is allowed.
    """
    for field, allowed in _CHOICES.items():
        check_choice(f"data.{field}", getattr(options, field), allowed)
    for field in ("valid_ratio", "simulated_present"):
        check_ratio(f"data.{field}", getattr(options, field))
    check_least(options, _LEAST)
    check_shares(options, COMPLETION_MODALITIES)
    check_features(options, COMPLETION_MODALITIES[1:])
