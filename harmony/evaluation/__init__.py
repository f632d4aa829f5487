"""Measures of views and meshes as pure functions, and the tables made of them."""
