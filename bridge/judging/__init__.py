"""Judging: from a part's views to judgements, with the model in a worker process of its own.

In the gateway, without numpy, OpenCV and OpenVINO:

turns.py       one judge, many lines: whose turn it is
pace.py        what a view takes lately (pure)
hearing.py     the question put to the judge for one part, and what came of it in time
album.py       the pictures of one part, and which of them are the previous part's again
hiring.py      the options of whoever runs a bundle, and the workers that it is run by
verdicts.py    from a worker's opinions to judgements
classifier.py  the judge ``type = "classifier"``
detector.py    the judge ``type = "detector"``
template.py    the judge ``type = "template"``
kinds.py       which judge runs which kind of bundle
relief.py      a fresh worker in the place of one that has outgrown its memory
golden.py      the pictures that a bundle must get right before it may judge
claim.py       what a threshold promises, and which lines may rely on it (pure)
host.py        starts, watches and kills the worker
link.py        the gateway's end of the socket
poison.py      the pictures over which a worker died
arena.py       the memory that large pictures travel through
bundle.py      what a model is: manifest, hashes, classes named OK or NG
frames.py      the words between gateway and worker, and their bytes (pure)
spec.py        the part of a manifest that the worker needs (pure)

In the worker:

worker.py      the process: tame, load, serve
inbox.py       what is asked, so that a cancellation overtakes the work
memory.py      how much it takes and may take
bench.py       the judging itself, a batch at a time
headers.py     a picture's size and completeness before it is decoded (pure)
transforms.py  points and pictures under a transform of the plane (pure)
registration.py  lays the golden picture over a loose part; the same for training and live
preprocess.py  decode, register, crop, fit, normalise; the same for training and live
letterbox.py   where a region lies in the model's input if it keeps its proportions (pure)
softmax.py     from logits to probabilities (pure); the same for training and live
engine.py      OpenVINO at the bundle's numeric precision: scores, and where the model looked
heat.py        from a heat map to boxes
detections.py  from a detector's output to boxes: layouts, non-maximum suppression (pure)
finder.py      OpenVINO once more: models whose output is boxes
differences.py where a picture differs from its template (pure)
comparer.py    pictures beside their templates, judged like a detector's
spots.py       from boxes in the model's input to boxes in the original picture
"""
