"""What it costs: `make bench`. Nothing here is a test; every figure is measured when it is printed."""
