"""The columnar copy: Parquet segments and a small in-memory tail, derived from the store, read by DuckDB.

properties.py   what a filter or breakdown may name, and the SQL that reads it
manifest.py     which segments are in force, written atomically
notes.py        what was found out about a segment, beside it
derived.py      columns from what an event was enriched with, and from its url
paths.py        which metadata paths a set of events has, and which deserve a column
writer.py       writes one segment: sort, columns for frequent metadata paths, persons
sealer.py       turns settled events into segments, merges small ones, audits them
tail.py         the events after the last segment, in memory
upkeep.py       CopyFiles: extends, merges, audits and deletes the files of copies, under a lock
memory.py       what a process remembers of each project's copy
copy.py         ColumnarCopy: an exact, fresh snapshot of a project, and queries on it
relation.py     the SQL of "the events of this snapshot"
engine.py       DuckDB, opened on first use
"""
