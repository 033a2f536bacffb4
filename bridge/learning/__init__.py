"""Training: labelled folders in, a bundle out; the only place that knows Keras, never on the live path."""
