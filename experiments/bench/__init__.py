"""What the benchmark measures with, what it measures, and how it shows it."""
