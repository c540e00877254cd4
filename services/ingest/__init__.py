"""From the bytes of a request to committed events: decode, validate, complete, commit.

`decode` makes a `Batch` of a body, `validate` an `Event` or a rejection of each of its events, `complete` adds what
can be found out, `commit` stores what many requests have at the same moment in one transaction, `record` is the way
through all of them.
"""
