"""Tests of training are collected only where the train extra is installed; ``make test`` runs them there."""

from __future__ import annotations

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("keras") and find_spec("tensorflow") else ["test_learning_training.py"]
