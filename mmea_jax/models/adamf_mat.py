"""AdaMF-MAT: completion with imbalanced modalities (arXiv 2402.15444; docs/methods/adamf_mat.md).

Without modalities the same module is a plain RotatE, TransE, DistMult or ComplEx.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jax import Array

from mmea_jax.losses.one_to_all import n3, one_to_all
from mmea_jax.losses.self_adversarial import self_adversarial
from mmea_jax.nn.adaptive_fusion import AdaptiveFusion, Generator, MeanFusion
from mmea_jax.nn.completion_inputs import CompletionInputs
from mmea_jax.nn.corrupted_scores import corrupted_scores
from mmea_jax.nn.filling import filled_table
from mmea_jax.nn.negatives import corrupt
from mmea_jax.nn.scorers import TripleScorer, make_scorer
from mmea_jax.vocabulary import STRUCTURE


@struct.dataclass
class Tables:
    """What scores are computed from.

    Attributes:
      entities: joint vectors float32[N, D].
      relations: float32[R, W]; with reciprocal relations [2R, W], the second half for the way back.
      attention: float32[N, M], the weight of each modality, 0 for an absent one.
    """

    entities: Array
    relations: Array
    attention: Array


class AdamfMat(nn.Module):
    """Adaptive multi-modal fusion under a triple scorer, with modality-adversarial training.

    Attributes:
      modalities: what the data offer, structure first.
      num_entities: ``N``.
      num_relations: ``R``.
      scorer: ``rotate``, ``transe``, ``distmult`` or ``complex``.
      dim: its width ``d``.
      margin: ``γ`` of distance-based scorers.
      modal: ``adaptive`` fusion, ``mean`` for equal weights, or ``none`` for structure alone.
      train_features: whether the feature tables train along, as published.
      absent: ``masked`` out of the fusion, or filled with ``random`` features that take part, as published.
      reciprocal: whether a relation has a vector of its own for questions about the head.
      initial: standard deviation of the initial tables and projections; 0 for the scorer's own uniform range.
      temperature: of the self-adversarial weights.
      n3: weight of the N3 norm, for ``1vsall``.
      relation_prediction: weight of the cross-entropy over all relations that could join a triple's ends, for
        ``1vsall`` (Chen et al. 2021, arXiv 2110.02834); 0 leaves it out.
      adversarial: ``μ``; 0 switches modality-adversarial training off for the model.
      noise: width of the generators' noise.
      hidden: width of the generators' hidden layer.
    """

    modalities: tuple[str, ...]
    num_entities: int
    num_relations: int
    scorer: str = "rotate"
    dim: int = 250
    margin: float = 12.0
    modal: str = "adaptive"
    train_features: bool = True
    absent: str = "masked"
    reciprocal: bool = False
    initial: float = 0.0
    temperature: float = 2.0
    n3: float = 0.0
    relation_prediction: float = 0.0
    adversarial: float = 0.0
    noise: int = 64
    hidden: int = 512

    @property
    def features(self) -> tuple[str, ...]:
        """The modalities that are fused with the structure."""
        return () if self.modal == "none" else tuple(m for m in self.modalities if m != STRUCTURE)

    @property
    def has_generators(self) -> bool:
        """Whether there is anything that generators could fake."""
        return bool(self.features) and self.adversarial > 0

    @property
    def rule(self) -> TripleScorer:
        """The scorer itself."""
        return make_scorer(self.scorer, self.dim, self.margin)

    def setup(self):
        rule = self.rule
        rows = self.num_relations * (2 if self.reciprocal else 1)
        shapes = {
            "entities": (self.num_entities, rule.entity_width, rule.entity_span),
            "relations": (rows, rule.relation_width, rule.span),
        }
        for name, (count, width, span) in shapes.items():
            setattr(self, name, self.param(name, self._initial(span), (count, width)))
        # Where tables start small, so do the modalities: larger ones would speak for the entity at first.
        small = {"kernel_init": nn.initializers.normal(self.initial)} if self.initial > 0 else {}
        self.project = {m: nn.Dense(rule.entity_width, **small) for m in self.features}
        if self.features:
            self.fuse = {"adaptive": AdaptiveFusion, "mean": MeanFusion}[self.modal]()
        if self.has_generators:
            self.generate = {m: Generator(rule.entity_width, self.hidden) for m in self.features}

    def tables(self, inputs: CompletionInputs) -> Tables:
        """Joint vectors of **all** entities: one fusion serves positives and negatives of a whole step."""
        if not self.features:
            return Tables(self.entities, self.relations, jnp.ones((self.num_entities, 1)))
        joint, attention = self.fuse(*self._modal(inputs, jnp.arange(self.num_entities)))
        return Tables(joint, self.relations, attention)

    def loss(
        self, inputs: CompletionInputs, triples: Array, key: Array, kind: str, negatives: int = 128
    ) -> tuple[Array, dict[str, Array]]:
        """The model's loss and its terms.

        Args:
          inputs: features and known triples.
          triples: int32[B, 3]; rows of −1 are padding.
          key: of negatives and noise.
          kind: ``self_adversarial`` or ``1vsall``.
          negatives: corruptions of each triple, for ``self_adversarial``.
        """
        valid = triples[:, 0] >= 0
        triples = jnp.maximum(triples, 0)
        tables = self.tables(inputs)
        head, tail = (tables.entities[triples[:, k]] for k in (0, 2))
        positive, forward, backward = self._questions(head, triples[:, 1], tail)
        if kind == "1vsall":
            loss = self._against_all(tables, triples, forward, backward, valid)
            terms = {"triples": loss}
            if self.relation_prediction > 0:
                terms["relations"] = self._against_relations(head, triples[:, 1], tail, valid)
                loss = loss + self.relation_prediction * terms["relations"]
        else:
            corrupted = corrupt(
                jax.random.fold_in(key, 0), inputs.known, triples, negatives, inputs.head_probability
            )
            negative = corrupted_scores(self.rule.compare, tables.entities, corrupted, forward, backward)
            loss = self_adversarial(positive, negative, self.temperature, valid)
            terms = {"triples": loss}
        if self.n3 > 0:
            terms["n3"] = self._norms(tables, triples, valid)
            loss = loss + self.n3 * terms["n3"]
        if self.has_generators:
            fake = self._fake_scores(head, tail, triples, key, of_generators=False)
            terms["adversarial"] = sum(self_adversarial(positive, s[:, None], None, valid) for s in fake)
            loss = loss + self.adversarial * terms["adversarial"]
        return loss, terms

    def generator_loss(self, inputs: CompletionInputs, triples: Array, key: Array) -> Array:
        """What the generators minimise: fake triples that score high, true ones that score low."""
        valid = triples[:, 0] >= 0
        triples = jnp.maximum(triples, 0)
        # Two rows a triple are all that is needed here.
        joint, _ = self.fuse(*self._modal(inputs, triples[:, (0, 2)].T.reshape(-1)))
        head, tail = jnp.split(joint, 2)
        positive, _, _ = self._questions(head, triples[:, 1], tail)
        fake = self._fake_scores(head, tail, triples, key, of_generators=True)
        return sum(self_adversarial(s, positive[:, None], None, valid) for s in fake) / len(fake)

    def score_all(self, tables: Tables, end: str, given: Array, relation: Array) -> Array:
        """Scores float32[b, N] of every entity at ``end`` (``head`` or ``tail``).

        Args:
          tables: as the method of that name gives them.
          end: which end is asked for.
          given: int32[b], the entity at the other end.
          relation: int32[b].
        """
        return score_all(self.rule, self.reciprocal, self.num_relations, tables, end, given, relation)

    def _initial(self, span: float):
        if self.initial > 0:
            return nn.initializers.normal(self.initial)
        return lambda key, shape: jax.random.uniform(key, shape, minval=-span, maxval=span)

    @nn.compact
    def _modal(self, inputs: CompletionInputs, rows: Array) -> tuple[list[Array], Array]:
        """``M`` modal vectors float32[K, D] of the entities ``rows`` int32[K], and bool[K, M]."""
        vectors, present = [self.entities[rows]], [jnp.ones(len(rows), bool)]
        for m in self.features:
            features, own = inputs.features[m], inputs.present[m]
            if self.absent == "random":
                features = filled_table(features, own)
                own = jnp.ones_like(own)
            if self.train_features:
                features = self.param(f"features_{m}", lambda _, x=features: x)
            vectors.append(self.project[m](features[rows]))
            present.append(own[rows])
        return vectors, jnp.stack(present, axis=1)

    def _questions(self, head: Array, relations: Array, tail: Array) -> tuple[Array, Array, Array]:
        """Scores float32[B] of triples, and their questions about the tail and the head, float32[B, D]."""
        rule, relation = self.rule, self.relations[relations]
        forward = rule.tail_query(head, relation)
        if self.reciprocal:
            backward = rule.tail_query(tail, self.relations[relations + self.num_relations])
        else:
            backward = rule.head_query(relation, tail)
        return rule.compare(forward, tail), forward, backward

    def _against_all(
        self, tables: Tables, triples: Array, forward: Array, backward: Array, valid: Array
    ) -> Array:
        questions = jnp.concatenate([forward, backward])
        answers = jnp.concatenate([triples[:, 2], triples[:, 0]])
        scores = self.rule.compare_all(questions, tables.entities)
        return one_to_all(scores, answers, jnp.concatenate([valid, valid]))

    def _against_relations(self, head: Array, relations: Array, tail: Array, valid: Array) -> Array:
        """Cross-entropy of the triples' relations; of those of the way back too, where they are others."""
        ways, tables = [(head, tail)], [self.relations[: self.num_relations]]
        if self.reciprocal:
            ways, tables = [*ways, (tail, head)], [*tables, self.relations[self.num_relations :]]
        losses = [
            one_to_all(self.rule.compare_all(self.rule.relation_query(*ends), table), relations, valid)
            for ends, table in zip(ways, tables, strict=True)
        ]
        return sum(losses) / len(losses)

    def _norms(self, tables: Tables, triples: Array, valid: Array) -> Array:
        """N3 of both entities and of the relations in use."""
        halves = self.rule.entity_width == 2 * self.dim
        relations = [triples[:, 1]] + ([triples[:, 1] + self.num_relations] if self.reciprocal else [])
        norms = [n3(tables.entities[triples[:, k]], valid, halves) for k in (0, 2)]
        norms += [n3(tables.relations[r], valid, halves) for r in relations]
        return sum(norms[:2]) + sum(norms[2:]) / len(relations)

    def _fake_scores(
        self, head: Array, tail: Array, triples: Array, key: Array, of_generators: bool
    ) -> list[Array]:
        """Scores float32[B] of triples with a fake head, a fake tail, and both.

        A fake joint vector fuses the true structural vector with generated modal ones. Either the model or
        the generators learn from it, so the other side's part is a constant.

        Args:
          head: joint vectors float32[B, D].
          tail: likewise.
          triples: int32[B, 3].
          key: of the noise.
          of_generators: whether the generators learn.
        """
        fakes = []
        for side, column in enumerate((0, 2)):
            structure = self.entities[triples[:, column]]
            vectors = [structure]
            for k, m in enumerate(self.features):
                noise_key = jax.random.fold_in(key, 1 + 2 * k + side)
                noise = jax.random.normal(noise_key, (len(triples), self.noise))
                fake = self.generate[m](noise, jax.lax.stop_gradient(structure))
                vectors.append(fake if of_generators else jax.lax.stop_gradient(fake))
            fakes.append(self.fuse(vectors, jnp.ones((len(triples), len(vectors)), bool))[0])
        relation = self.relations[triples[:, 1]]
        pairs = ((fakes[0], tail), (head, fakes[1]), (fakes[0], fakes[1]))
        return [self.rule.triples(h, relation, t) for h, t in pairs]


def score_all(
    rule: TripleScorer,
    reciprocal: bool,
    num_relations: int,
    tables: Tables,
    end: str,
    given: Array,
    relation: Array,
) -> Array:
    """As the method of that name, without a module."""
    entity = tables.entities[given]
    if end == "tail":
        return rule.all_tails(entity, tables.relations[relation], tables.entities)
    if reciprocal:
        back = tables.relations[relation + num_relations]
        return rule.all_tails(entity, back, tables.entities)
    return rule.all_heads(tables.relations[relation], entity, tables.entities)
