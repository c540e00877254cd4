/* AppTracker for websites; docs/tracker.md. */
