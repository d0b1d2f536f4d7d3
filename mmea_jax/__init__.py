"""Multi-modal entity alignment and knowledge graph completion in JAX/Flax."""

__version__ = "0.1.0"
