"""Tests of finops.reports."""
