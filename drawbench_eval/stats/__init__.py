"""Statistics as plain functions on arrays: clustered errors, paired differences, Frechet distances."""
