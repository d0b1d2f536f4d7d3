"""Texts, images and attributes to feature files, by pre-trained models; needs the ``[features]`` extra.

Commands: ``python -m mmea_jax.encoders.text``, ``….images``, ``….abstracts``. torch and transformers are
imported when a model is loaded, not before.
"""
