"""What each command of `sbas-assets` does.

Belongs here: putting the package's functions together for one person at a terminal, and showing what came out. Does
not belong here: the words of the command line (`sbas_assets.cli`), and anything that an asset or a test would want too.
"""
