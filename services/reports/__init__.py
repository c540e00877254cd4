"""The reports: one definition a number, in SQL over the columnar copy.

request.py      what every report is asked: project, range, zone, filters
filters.py      property filters as SQL
population.py   the events a report counts; persons and sessions of them
buckets.py      hours, days, weeks and months of a time zone
<report>.py     one module a report: parse its parameters, compute its result
run.py          runs a report: cache, single flight, comparison
"""
