"""Cameras around one part, which shoot at once when another source asks for a verdict.

Nothing is exported here: a camera's worker imports this package too, and needs neither pydantic nor the bridge.
"""
