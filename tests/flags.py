"""Compiler flags of the suite."""

# XLA takes most of the suite's time, and programs this small gain nothing from its later passes.
QUICK_COMPILE = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"
