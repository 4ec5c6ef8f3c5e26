"""What `imagen_ref.train` is made of: settings, optimiser, one step, ranks, checkpoints, log."""
