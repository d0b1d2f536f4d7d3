"""Tables and plots from what runs leave."""

from mmea_jax.report.table import results_table

__all__ = ["results_table"]
