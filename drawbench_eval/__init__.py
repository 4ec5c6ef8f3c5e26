"""Measures text-to-image models the way the Imagen paper did, protocol and uncertainty beside numbers."""
