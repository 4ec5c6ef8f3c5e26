"""Images from anywhere as uint8 RGB: sources, decoding, preparation, reading ahead."""
