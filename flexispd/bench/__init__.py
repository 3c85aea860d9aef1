"""Benchmarks that print what flexispd does beside what a user would pick instead, measured in the same run."""
