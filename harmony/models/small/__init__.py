"""The shipped model: a small multi-view diffusion transformer in picture space."""
