"""What a run tells about itself: protocol, counts, stages and times, as ``results.json`` has them."""

import dataclasses

from mmea_jax.data import KnowledgeGraphs, Split
from mmea_jax.matching import pseudo_links
from mmea_jax.training.options import TrainOptions
from mmea_jax.training.settings import Settings
from mmea_jax.training.speed import speed
from mmea_jax.training.trainer import Event, Progress
from mmea_jax.vocabulary import CHAR, NAME


def header(settings: Settings, kgs: KnowledgeGraphs, split: Split, modalities: tuple[str, ...]) -> dict:
    """Protocol, counts and floors' surroundings: what a reader must know to compare the numbers."""
    selection = settings.train.protocol
    if selection == "validated" and not len(split.valid):
        selection = "last epoch"
    coverage = {
        m: {"present": float(rows.present.mean()), "width": rows.width} for m, rows in kgs.modalities.items()
    }
    return {
        "task": "alignment",
        "model": settings.method,
        "dataset": kgs.name,
        "protocol": {
            "selection": selection,
            "candidates": settings.matching.candidates,
            "score": settings.matching.score,
            "consensus": settings.matching.consensus,
            "csls_k": settings.matching.csls_k,
            "split": split.name,
            "split_sha256": split.sha256,
            "iterative": settings.train.iterative.start > 0,
            "unsupervised": settings.train.pivot != "none",
            "names_used": any(m in modalities for m in (NAME, CHAR)),
            "modalities": list(modalities),
            "missing": dict(settings.data.missing),
            "ambiguous": dict(settings.data.ambiguous),
            "simulated": list(kgs.simulated),
        },
        "counts": {
            "entities": kgs.num_entities,
            "triples": len(kgs.triples),
            "train_links": len(split.train),
            "valid_links": len(split.valid),
            "test_links": len(split.test),
            "modalities": coverage,
        },
        "seed": settings.seed,
    }


def event_line(event: Event) -> dict:
    """An epoch's event as a line of ``metrics.jsonl``."""
    line = dataclasses.asdict(event)
    terms = line.pop("terms")
    return {k: v for k, v in line.items() if v is not None} | {"train": terms}


def training_results(progress: Progress, options: TrainOptions, kgs: KnowledgeGraphs) -> dict:
    """Stages, times and pseudo-links, as ``results.json`` has them."""
    seconds = [s for record in progress.records for s in record.epoch_seconds]
    steps = [n for record in progress.records for n in record.epoch_steps]
    results = {
        "stages": [
            {
                "name": record.name,
                "epochs": record.epochs,
                "seconds": record.seconds,
                "steps": record.steps,
                "skipped": record.skipped,
                "best_valid_mrr": record.best_valid_mrr,
                "best_epoch": record.best_epoch,
            }
            for record in progress.records
        ],
        "best_epoch": progress.records[-1].best_epoch,
    } | speed(seconds, steps)
    if options.iterative.start:
        accepted = pseudo_links.accepted_links(progress.pseudo)
        results["pseudo_links"] = {
            "accepted": len(accepted),
            # For analysis alone: gold links never enter training.
            "precision": pseudo_links.precision(accepted, kgs.links),
        }
    return results
