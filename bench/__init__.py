"""Benchmarks: bounded, on loopback, comparing within one run. README.md says what each figure means."""
