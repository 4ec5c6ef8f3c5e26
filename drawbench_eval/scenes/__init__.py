"""The embedded world: scenes of coloured things, their captions, their pictures, and what reads them back."""
