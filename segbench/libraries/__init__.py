"""Networks of other packages, one file a library: `build(name, classes=11, **arguments)` gives plain torch modules.

A library is imported when a network of it is built, never before. Weights start as the library draws them.
"""
