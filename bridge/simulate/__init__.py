"""A factory in a box: an old inspector that errs, a PLC, an MES, and parts with known truth.

Each speaks through the other side of an adapter (``peer.py`` of its folder), found by entry point, so that a
simulator meets the bridge over the real protocol.
"""
