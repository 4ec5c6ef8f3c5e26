"""A compact Imagen (Saharia et al. 2022, arXiv 2205.11487): cascaded text-to-image diffusion in PyTorch."""
