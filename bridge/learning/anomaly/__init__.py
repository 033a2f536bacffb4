"""Judges that learn what good parts have in common, and call strange what differs; for lines without bad ones.

dividing.py     which good parts are learnt from; bad ones never are
network.py      what all of them are: a Keras model from a picture to one number and a map
patchcore.py    PatchCore: every place of a picture against a memory of places of good ones
memory.py       which places are remembered: the coreset (pure)
pdn.py          the patch description networks of EfficientAD: teacher and student
autoencoder.py  its autoencoder, with learned or bilinear decoding
efficientad.py  how they are trained and become one network
progress.py     what an interrupted training leaves, so that it goes on
teachers.py     a teacher's file: written, read, imported, never unpickled
distilling.py   a teacher from a pretrained backbone and any pictures
anything.py     those pictures
limits.py       a threshold from good parts alone, and what it holds (pure)
export.py       bundles, one for each precision
"""
