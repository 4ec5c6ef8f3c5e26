"""Frozen text encoders and what they give: token states and a mask."""
