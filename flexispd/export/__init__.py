"""A picture becomes files: encoded with its metadata, named, published durably, with a receipt beside it."""
