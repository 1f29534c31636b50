"""Measures ways to read a dataset from one server: `python3 run.py bench`."""
