"""Running MintPy's own steps on a frame's workspace, and its template."""
