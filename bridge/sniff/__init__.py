"""An unknown old machine, found out: record what it sends, propose how to read it, replay that against a config.

``capture`` is the file and its words. ``wire`` and ``watch`` record into it; ``framings``, ``codepage``,
``columns``, ``lines`` and ``files`` are pure and find out what was said; ``proposal`` writes that as a table for
bridge.toml; ``replay`` feeds it to a source, and ``case`` makes a test of it.
"""
