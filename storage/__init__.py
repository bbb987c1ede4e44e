"""Audio and file bytes behind one interface: a local folder."""
