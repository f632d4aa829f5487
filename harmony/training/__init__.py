"""Training of the small model: objects, renderer, scenes, loss, loop."""
