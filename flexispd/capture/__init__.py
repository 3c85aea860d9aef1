"""Files on disk become captures. Nothing here opens a picture, and nothing is ever written."""
