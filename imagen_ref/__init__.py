"""A compact Imagen (Saharia et al. 2022, arXiv 2205.11487): cascaded text-to-image diffusion in PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imagen_ref.cascade import Cascade as Cascade
    from imagen_ref.samplers import SamplerSettings as SamplerSettings
else:

    def __getattr__(name: str) -> object:
        """Cascade and SamplerSettings, read when they are asked for: importing the package stays light."""
        if name == "Cascade":
            from imagen_ref.cascade import Cascade

            return Cascade
        if name == "SamplerSettings":
            from imagen_ref.samplers import SamplerSettings

            return SamplerSettings
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["Cascade", "SamplerSettings"]
