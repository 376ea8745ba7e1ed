"""Folders of billing files, wherever they are."""
