"""Draws the plots of stories.md from the answers of a running service, which holds the shop as stories.md imports it.

    .venv/bin/python docs/plots.py http://127.0.0.1:5000 PROJECT_KEY
"""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import matplotlib as mpl
import requests
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

IMAGES = Path(__file__).parent / "images"
BLUE, ORANGE, GREY, LIGHT = "#2f6db5", "#d9702b", "#8a8f98", "#c9d8ea"
PLATFORMS = ("desktop", "mobile", "tablet")
STYLE: Any = {
    "font.size": 9, "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10,
    "axes.titlelocation": "left", "figure.constrained_layout.use": True, "legend.frameon": False,
}  # fmt: skip

Row = dict[str, Any]


class Shop:
    """The project that is asked."""

    def __init__(self, address: str, project_key: str) -> None:
        self.address, self.project_key = address, project_key

    def ask(self, report: str, **query: Any) -> Row:
        """A report; `since` and `until` are its range."""
        names = {"since": "from", "until": "to"}
        asked = {"projectKey": self.project_key, **{names.get(name, name): value for name, value in query.items()}}
        answer = requests.post(f"{self.address}/v1/reports/{report}", json=asked, timeout=60)
        answer.raise_for_status()
        found: Row = answer.json()
        return found

    def count_sessions(self, by: str, **query: Any) -> dict[str, int]:
        """Value of a property -> sessions with an event that has it."""
        groups = self.ask("breakdown", by=by, measure="sessions", **query)["groups"]
        return {group["values"][0]: group["value"] for group in groups}

    def share_sessions(self, by: str, event: str, of: str | None = None, **query: Any) -> dict[str, float]:
        """Value of a property -> percent of its sessions (with the event `of`) that have the event."""
        some = self.count_sessions(by, eventName=event, **query)
        whole = self.count_sessions(by, **({"eventName": of} if of else {}), **query)
        return {value: 100 * some.get(value, 0) / count for value, count in whole.items()}


def list_days(series: list[Row]) -> list[date]:
    return [date.fromisoformat(each["bucket"][:10]) for each in series]


def label_days(axes: Axes, days: list[date], step: int) -> None:
    axes.set_xticks(range(0, len(days), step), [f"{day:%b} {day.day}" for day in days[::step]])


def draw_payments(shop: Shop) -> None:
    query = {"since": "2024-04-01", "until": "2024-06-29", "interval": "week"}
    names = ("payment_error", "support_chat", "payment_details", "purchase")
    found = {name: shop.ask("events-timeseries", eventName=name, **query)["series"] for name in names}
    counts = {name: [each["count"] for each in series] for name, series in found.items()}
    days = list_days(found["purchase"])
    figure, (above, below) = plt.subplots(1, 2, figsize=(8.6, 2.8))
    above.plot(counts["payment_error"], color=ORANGE, marker="o", markersize=3, label="payment_error")
    above.plot(counts["support_chat"], color=BLUE, marker="o", markersize=3, label="support_chat")
    above.set_title("Complaints: events a week")
    below.plot(counts["payment_details"], color=GREY, marker="o", markersize=3, label="payment_details")
    below.plot(counts["purchase"], color=BLUE, marker="o", markersize=3, label="purchase")
    below.set_title("Checkout: events a week")
    for axes in (above, below):
        axes.set_ylim(0, None)
        label_days(axes, days, 3)
        axes.legend(loc="upper left")
    save(figure, "payments")


def draw_checkout(shop: Shop) -> None:
    windows = {
        "Mar 9 – Apr 8": ("2024-03-09", "2024-04-08"),
        "Apr 9 – May 9": ("2024-04-09", "2024-05-09"),
        "Jun 9 – Jun 29": ("2024-06-09", "2024-06-29"),
    }
    figure, axes = plt.subplots(figsize=(6.4, 2.8))
    for number, (name, (since, until)) in enumerate(windows.items()):
        shares = shop.share_sessions(
            "metadata.platform", "payment_details", "shipping_details", since=since, until=until
        )
        places = [place + (number - 1) * 0.27 for place in range(len(PLATFORMS))]
        color = (LIGHT, ORANGE, BLUE)[number]
        bars = axes.bar(places, [shares[platform] for platform in PLATFORMS], 0.25, label=name, color=color)
        axes.bar_label(bars, fmt="%.0f%%", padding=2, fontsize=8)
    axes.set_xticks(range(len(PLATFORMS)), PLATFORMS)
    axes.set_ylim(0, 115)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_title("Sessions with payment_details, of those with shipping_details")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, "checkout")


def draw_spike(shop: Shop) -> None:
    query = {"since": "2024-02-15", "until": "2024-03-17", "interval": "day"}
    events = shop.ask("events-timeseries", **query)["series"]
    sessions = shop.ask("sessions", limit=0, **query)["series"]
    days = list_days(events)
    figure, panels = plt.subplots(1, 2, figsize=(8.6, 2.5))
    for axes, title, series, field in zip(
        panels, ("Events a day", "Sessions a day"), (events, sessions), ("count", "sessions"), strict=True
    ):
        in_story = [date(2024, 2, 29) <= day <= date(2024, 3, 3) for day in days]
        axes.bar(range(len(days)), [each[field] for each in series], color=[ORANGE if i else LIGHT for i in in_story])
        axes.set_title(title)
        label_days(axes, days, 7)
    save(figure, "spike")


def draw_buyers(shop: Shop) -> None:
    figure, panels = plt.subplots(1, 2, figsize=(8.6, 2.6))
    june = {"since": "2024-06-01", "until": "2024-06-29"}
    for axes, title, by, values, query in (
        (panels[0], "By lifecycle, all sessions", "metadata.user_lifecycle", ("new", "returning", "loyal"), {}),
        (panels[1], "By month of registration, sessions of June", "metadata.user_cohort",
         ("2024-01", "2024-02", "2024-03", "2024-04"), june),
    ):  # fmt: skip
        for offset, event, color in ((-0.2, "add_to_cart", LIGHT), (0.2, "purchase", BLUE)):
            shares = shop.share_sessions(by, event, **query)
            places = [place + offset for place in range(len(values))]
            bars = axes.bar(places, [shares[value] for value in values], 0.38, color=color, label=f"with {event}")
            axes.bar_label(bars, fmt="%.0f%%", padding=2, fontsize=8)
        axes.set_xticks(range(len(values)), values)
        axes.set_ylim(0, 62)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.set_title(title)
    panels[1].legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, "buyers")


def save(figure: Any, name: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    figure.savefig(IMAGES / f"{name}.png", dpi=100, metadata={"Software": None})
    plt.close(figure)


def main(address: str, project_key: str) -> None:
    mpl.use("agg")
    mpl.rcParams.update(STYLE)
    shop = Shop(address, project_key)
    for draw in (draw_payments, draw_checkout, draw_spike, draw_buyers):
        draw(shop)


if __name__ == "__main__":
    main(*sys.argv[1:])
