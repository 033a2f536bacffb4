"""Judges that learn what good parts have in common, and call strange what differs; for lines without bad ones.

network.py      what all of them are: a Keras model from a picture to one number and a map
patchcore.py    PatchCore: every place of a picture against a memory of places of good ones
memory.py       which places are remembered: the coreset (pure)
pdn.py          the patch description networks of EfficientAD: teacher and student
autoencoder.py  its autoencoder, with learned or bilinear decoding
efficientad.py  how they are trained and become one network
teachers.py     where a teacher comes from: distilled here, or a file of weights that is never unpickled
tiles.py        pictures larger than the network, in overlapping tiles, inside the graph
limits.py       a threshold from good parts alone, and what it holds (pure)
export.py       bundles, one for each precision
"""
