"""A sentence to a picture of one object: diffusers text-to-image pipelines, loaded on first use."""
