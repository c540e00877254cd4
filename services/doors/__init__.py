"""The other systems' ways in: their fields and shapes, on the services that everything else uses.

members.py        a JSON object taken apart and put together without reading its values
tracking.py       reference 1: a flexible payload as an event
collect.py        references 2 and 5: one event or several
summaries.py      references 2 and 5: event-summary, user-stats, daily-stats, top-pages
visits.py         reference 4: an event of a page, as it is sent and shown
visit_buckets.py  reference 4: how many events there were by time, page and operating system
page_reports.py   reference 4: sessions, retention, pages, traffic-sources, devices
page_funnel.py    reference 4: the funnel over pages
durations.py      reference 4: how long a page was looked at
ranges.py         which time is meant
"""
