"""The annotation server: the wire contract of COCO-Annotator over SQLite."""
