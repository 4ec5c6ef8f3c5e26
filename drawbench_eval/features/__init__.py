"""Feature extractors: images -> vectors, with the identity of everything that shapes them."""
