"""What a completion run tells about itself, as ``results.json`` has it."""

import dataclasses

from mmea_jax.data.completion import CompletionGraph
from mmea_jax.data.splits import digest
from mmea_jax.training.completion.settings import CompletionSettings
from mmea_jax.training.completion.trainer import CompletionEvent, CompletionProgress
from mmea_jax.training.speed import speed


def header(settings: CompletionSettings, graph: CompletionGraph, modalities: tuple[str, ...]) -> dict:
    """Protocol and counts: what a reader must know to compare the numbers."""
    coverage = {
        m: {"present": float(rows.present.mean()), "width": rows.width}
        for m, rows in graph.modalities.items()
    }
    return {
        "task": "completion",
        "model": settings.method,
        "dataset": graph.name,
        "protocol": {
            "selection": "validated" if len(graph.valid) else "last epoch",
            "candidates": "all",
            "filter": "triples of all files",
            "validation": graph.validation,
            "split": graph.split,
            "split_sha256": digest(graph.train, graph.valid, graph.test),
            "modalities": list(modalities),
            "missing": dict(settings.data.missing),
            "missing_of": settings.data.missing_of,
            "ambiguous": dict(settings.data.ambiguous),
            "simulated": [m for m in graph.simulated if m in modalities],
            "loss": settings.train.loss,
        },
        "counts": {
            "entities": graph.num_entities,
            "relations": graph.num_relations,
            "train_triples": len(graph.train),
            "valid_triples": len(graph.valid),
            "test_triples": len(graph.test),
            "modalities": coverage,
        },
        "notes": list(graph.notes),
        "seed": settings.seed,
    }


def event_line(event: CompletionEvent) -> dict:
    """An epoch's event as a line of ``metrics.jsonl``."""
    line = dataclasses.asdict(event)
    terms = line.pop("terms")
    return {k: v for k, v in line.items() if v is not None} | {"train": terms}


def training_results(progress: CompletionProgress, method: str) -> dict:
    """The stage, and times, as ``results.json`` has them."""
    stage = {
        "name": method,
        "epochs": progress.epoch,
        "seconds": sum(progress.epoch_seconds),
        "steps": progress.steps,
        "skipped": progress.skipped,
        "best_valid_mrr": progress.best_valid_mrr,
        "best_epoch": progress.best_epoch,
    }
    return {
        "stages": [stage],
        "best_epoch": progress.best_epoch,
    } | speed(progress.epoch_seconds, progress.epoch_steps)
