"""What recordings are made into: a timeline for `gestura inspect`, chunks for `gestura replay`."""
