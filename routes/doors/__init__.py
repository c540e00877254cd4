"""The routes of the other systems, one module a system; their paths, fields and shapes are those of its documents."""
