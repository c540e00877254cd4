"""What an event says about itself without saying it: its visitor's browser, device, country and where they came from.

Done once, when the event arrives; the result is stored with it and never changes.
"""

from services.enrich.event import enrich, prepare
from services.enrich.geo import GeoReader, open_geo

__all__ = ["GeoReader", "enrich", "open_geo", "prepare"]
