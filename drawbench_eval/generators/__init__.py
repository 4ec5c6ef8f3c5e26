"""What makes images from prompts; each generator is one module, imported when it is chosen."""

from drawbench_eval.generators.base import Generator, Request, requests

__all__ = ["Generator", "Request", "requests"]
