"""The review folder: protocol to plan to analysis, with provenance."""
