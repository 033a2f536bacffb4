"""Pages that stand alone: one HTML file with its pictures and curves inside, nothing from the network.

Needs the ``report`` extra (Jinja2, Matplotlib), which is imported only when a page is made.
"""
