"""Foundations that import nothing of ours: errors, options, distributions, linear algebra, number formats."""
