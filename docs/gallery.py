"""Draw the images in `docs/images`: ``python docs/gallery.py``. Requires the extras `plot` and `sandbox`."""

from __future__ import annotations

import random
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
from PIL import Image

from explorer_frames import Explorer, compare, plot_result
from explorer_frames.sandbox import Graph, Sandbox

IMAGES = Path(__file__).parent / "images"
TASKS = {
    "analytics_pagerank_1": ("PageRank", {}),
    "analytics_betweenness_1": ("BetweennessCentrality", {}),
    "analytics_louvain_1": ("Louvain", {}),
    "analytics_wcc_1": ("WCC", {}),
    "analytics_sssp_1": ("SSSP", {"root": "Valjean"}),
}
DEGREES = {"analytics_degree_1": ("DegreeCentrality", {"step": 1})}
DAYS = 6
COLORS = 64


def days_graph(day):
    """Return the graph for a day. Each edge is missing with a probability of 5 %."""
    whole = Graph.les_miserables()
    choose = random.Random(day)  # noqa: S311 (reproducible, not secret)
    names = whole.vids
    ends = [edge for edge in whole.topology.get_edgelist() if choose.random() < 0.95]  # noqa: PLR2004
    return Graph.from_edges([(str(names[a]), str(names[b])) for a, b in ends], directed=False)


def save(ax, name):
    """Save a plot with few colors, which reduces the file size."""
    path = IMAGES / f"{name}.png"
    ax.figure.savefig(path, dpi=100)
    Image.open(path).convert("RGB").quantize(COLORS).save(path, optimize=True)
    plt.close("all")


def main():
    """Run the workflows and draw their results."""
    mpl.use("agg")
    with Sandbox() as server, Explorer(server.url, token=server.token) as explorer:

        def run(name, graph, tasks):
            return explorer.run_workflow(server.add_workflow(name, graph, tasks)).wait(progress=False)

        job = run("characters", Graph.les_miserables(), TASKS)
        degrees = run("degrees", Graph.power_law(4_321), DEGREES)
        days = [run(f"day {day}", days_graph(day), TASKS) for day in range(DAYS)]
        draw(job, degrees, days)


def draw(job, degrees, days):
    """Draw all images."""
    save(plot_result(job.task("PageRank"), kind="top", top=10), "pagerank")
    save(plot_result(job.task("BetweennessCentrality")), "rank")
    save(plot_result(job.task("Louvain")), "communities")
    save(plot_result(job.task("SSSP")), "distances")
    save(plot_result(degrees), "degrees")
    save(plot_result(job.task("WCC")), "sentence")

    first, last = days[0], days[-1]
    _, axes = plt.subplots(1, 2, sharey=True, figsize=(10, 4), layout="constrained")
    for day, ax in zip((first, last), axes, strict=True):
        plot_result(day.task("PageRank"), ax=ax, scale="log")
    save(axes[0], "two")

    for task, name in (("PageRank", "ranks"), ("Louvain", "flow")):
        found = compare(first.task(task), last.task(task), allow_unrelated=True)
        save(plot_result(found), name)

    runs = [
        day.task("PageRank").read().assign(job_id=day.job_id, task_id="pagerank", end_time=time)
        for day, time in zip(days, pd.date_range("2026-11-20 06:00", periods=DAYS, tz="UTC"), strict=True)
    ]
    save(plot_result(pd.concat(runs, ignore_index=True)), "history")
    with plt.style.context("dark_background"):
        save(plot_result(job.task("Louvain"), kind="top"), "dark")


if __name__ == "__main__":
    main()
