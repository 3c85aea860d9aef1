"""flexispd: watches a folder of night raws and develops them through a three-stage neural image signal processor."""

__version__ = "0.1.0"
