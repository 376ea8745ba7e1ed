"""Bring bills in. Cloud SDKs are imported below this folder only."""
