"""aoi-bridge: a second opinion for an old vision inspector. Start reading at line.py."""
