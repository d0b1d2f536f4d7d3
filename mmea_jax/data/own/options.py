"""What can be asked of the reader of the user's own graphs."""

import dataclasses

# The data set's name that stands for graphs of one's own.
OWN = "own"
# Seeds below which too little is left to train on and to choose a threshold on.
MIN_TRAIN, MIN_VALID = 20, 10
MIN_SEEDS = MIN_TRAIN + MIN_VALID


@dataclasses.dataclass(frozen=True)
class OwnOptions:
    """Where the graphs are, and how they are to be read. Paths are strings, empty for none."""

    left: str = ""  # folder or file of KG 1: N-Triples, Turtle, RDF/XML, TSV, CSV, or the published layout
    right: str = ""  # of KG 2
    seeds: str = ""  # links that are known: two columns of a table, or owl:sameAs triples in RDF
    gold: str = ""  # links to measure against, and for nothing else; complete, where danglings are counted
    images_left: str = ""  # image features of KG 1: .npz, .safetensors or .pkl, keys are entity names
    images_right: str = ""  # of KG 2
    labels: tuple[str, ...] = ()  # further predicates whose values are names
    lenient: bool = False  # leave out links that name strangers or contradict, instead of refusing them
    few: bool = False  # go on with fewer seeds than it takes, or with none
    alone: bool = False  # train on the seeds alone, even where pairs of similar names would join them
