"""Pipelines of the library diffusers: their files, guidance, schedulers, and how they are loaded and run."""
