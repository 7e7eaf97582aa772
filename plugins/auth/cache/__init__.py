"""What was read of the database lately, until it changes: a worker's own, and in keyvalue that of
all."""
