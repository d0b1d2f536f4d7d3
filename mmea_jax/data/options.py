"""What can be asked of the data layer, with defaults and the allowed values."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from mmea_jax.data.own.options import OwnOptions


@dataclasses.dataclass(frozen=True)
class SyntheticOptions:
    """The generated world (see ``data/synthetic.py``)."""

    entities: int = 2000  # entities of each KG
    types: int = 12  # types of entities
    relations: int = 60  # relations of the latent world
    attributes: int = 120  # attributes of the latent world
    triples_per_entity: float = 5.0  # triples of a KG per entity, before dropout and noise
    dangling: float = 0.1  # share of each KG's entities that exist on one side only
    triple_dropout: float = 0.25  # share of the world's triples that one KG lacks
    triple_noise: float = 0.1  # share of a KG's triples that are random additions
    relation_renamed: float = 1.0  # share of relations that each KG names its own way (1: disjoint names)
    attribute_renamed: float = 0.5  # share of attributes with a name of the KG's own
    attribute_dropout: float = 0.3  # share of an entity's attributes that one KG lacks
    name_noise: float = 0.7  # share of words that KG 2 spells otherwise
    letter_noise: float = 0.5  # share of letters that are other ones in such a word
    visual_width: int = 64  # width of the image features
    visual_noise: float | None = None  # image noise (latent: 1); None: for image-only Hits@1 of 0.25
    visual_missing: tuple[float, float] = (0.3, 0.3)  # share of entities without an image, a side
    attribute_missing: tuple[float, float] = (0.1, 0.1)  # share of entities without attributes, a side
    ambiguity: float = 0.05  # share of entities whose image nearly repeats another entity's
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """One data set, its split, and which modalities are kept.

    Raises ``InputError`` on a value outside its allowed set (see ``check``).
    """

    dataset: str = "synthetic"  # 'synthetic', 'own', or a folder below root such as 'DBP15K/zh_en'
    root: Path | None = None  # folder that holds the data sets; needed for all but 'synthetic'
    split: str | None = None  # folder below splits/; None: draw one by seed_ratio and split_seed
    seed_ratio: float = 0.3  # share of links that train, when the split is drawn
    split_seed: int = 0
    valid_ratio: float = 0.1  # share of training links held out to validate; at least 100 links
    relation: str = "files"  # 'files' | 'none'
    attribute: str = "files"  # 'files' | 'none'
    visual: str = "files"  # 'files' | 'simulated' | 'none'
    name: str = "none"  # 'words' | 'none'
    char: str = "none"  # 'bigrams' | 'none'
    bag_width: int = 1000  # most frequent relations and attributes kept
    # Modalities whose bags also say what an entity's neighbours hold (data/neighbourhood.py).
    neighbours: tuple[str, ...] = ()
    # Modality -> a feature file (.npz, .safetensors, .pkl) that stands in for what the data set has; it
    # switches the modality on.
    features: Mapping[str, str | Path] = dataclasses.field(default_factory=dict)
    missing: Mapping[str, float] = dataclasses.field(default_factory=dict)  # modality -> share kept
    ambiguous: Mapping[str, float] = dataclasses.field(default_factory=dict)  # modality -> share
    missing_seed: int = 0  # draws the rows that go missing or turn ambiguous, the same for every model
    simulated_width: int = 128  # width of simulated visual features
    simulated_present: float = 0.78  # share of entities that get a simulated image
    # A gold link that gives an entity a second counterpart: 'refuse' | 'drop' the later one |
    # 'auto': drop for FBDB15K, whose published links hold four such lines, refuse elsewhere.
    contradicting_links: str = "auto"
    cache: Path | None = None  # folder for parsed arrays; None: the user's cache folder
    synthetic: SyntheticOptions = SyntheticOptions()
    # For the data set 'own': two graphs of the user's.
    own: OwnOptions = dataclasses.field(default_factory=OwnOptions)
