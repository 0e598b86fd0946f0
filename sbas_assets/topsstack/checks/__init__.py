"""The checks of the preflight, one module per part of the stack.

Each yields every problem that it sees and decides nothing; preflight.py draws the conclusion.
"""
