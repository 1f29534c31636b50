"""Everything out of COCO-Annotator: complete, fast and with proof."""

__version__ = "0.1.0"
