"""What the tool's speed is measured with: `make bench`."""
