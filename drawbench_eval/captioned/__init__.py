"""Images with captions from elsewhere, to train on: sources, what is usable of them, prepared shards."""
