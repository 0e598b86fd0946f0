"""How fast the package is, and how much memory it takes, next to MintPy: programs to run by hand, no tests."""
