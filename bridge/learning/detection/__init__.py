"""A detector that trains here: small local defects, from boxes that somebody drew.

keras-hub (0.32) is not used: its detectors, RetinaNet and YOLOv8, begin at a stride of 8 and on backbones that
are to be downloaded, and the package brings tensorflow-text, which pins TensorFlow, kagglehub and tokenizers,
2.3 GB in all. Its newer ones are transformers, which learn nothing from seventy pictures on two cores.

So it is a small one of our own, without anchors: a place of a grid says how far it is to the four edges of the
defect that it lies in (Tian et al., FCOS, 2019), and how much the box that it says shares with the true one (Li et
al., generalised focal loss, 2020). It learns from windows of the pictures and judges whole ones, for it is nothing
but convolutions. What is exported is read as ``yolov8`` is, by the code that reads imported detectors.

grids.py       the places on which boxes are told (pure)
network.py     picture to boxes
assigning.py   which place of which grid is to tell which box (pure)
windows.py     what one step learns from: a window, varied, and its boxes with it
truth.py       the boxes of a data set, in pixels of the model's input
learner.py     losses and optimizer
training.py    steps, looks at validation, the best kept; resumed where it was
progress.py    what a training keeps of itself
precision.py   average precision, as COCO counts it (pure)
export.py      bundles
evaluation.py  what a bundle's boxes are worth
"""
