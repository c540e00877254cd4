"""What happens now, as it happens, for any number of viewers.

The store says what happened, Redis, where there is one, only when to look: each process reads the newest events of the
projects that its viewers watch, twice a second or as soon as some host says that it stored some. One thread of each
process, with an event loop, serves all of its viewers; ingest neither waits for them nor knows them.

figures.py    how much is happening: visitors, sessions, events of the last minutes
feed.py       which of the newest events have not been shown yet
frames.py     events and figures in the form of a kind of viewer: server-sent events, or WebSocket messages
viewer.py     one connection: what it is sent, at most so much of it waiting
channel.py    one project: read once, sent to all who watch it
hub.py        the thread, and who may still watch
bell.py       how hosts tell each other, through Redis, that they stored something
"""
