"""A capture's files become a Mosaic: sensor counts of the visible area, and everything known about the shot."""
