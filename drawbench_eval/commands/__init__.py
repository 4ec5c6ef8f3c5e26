"""The verbs of the command line, one module each, and the only place that knows Hydra."""
