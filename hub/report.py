"""The load test in words: a table of what was measured, and what a larger server would hold by it."""

import statistics

GIB = 2**30
SERVER_CORES, SERVER_MEMORY = 16, 64 * GIB
KEPT = 0.1  # of the memory, for the system
WAIT = 3  # times as long as alone: what a class still bears when everybody trains at the same moment


def capacity(result):
    """Return how many students a server of 16 cores and 64 GiB holds, by memory and by processor.

    By memory: each brings the private memory of a kernel with chapter 1, one with the playground and a server, at the
    most that was seen; what all share counts once. By processor: everybody trains at the same moment, at a third of
    the speed alone, and the cores lose as much to sharing as they did here.
    """
    most = result["memory, most"].values()
    own = statistics.median(private for _, private, _ in most)
    shared = sum(total - private for total, private, _ in most)
    by_memory = ((1 - KEPT) * SERVER_MEMORY - result["hub's memory"] - shared) / own
    busy = min(result["cores"], len(result["all at once"]))
    yielded = min(1.0, sum(result["all at once"]) / (busy * result["alone"]))
    return {"own": own, "shared": shared, "by memory": int(by_memory), "yield": yielded,
            "by processor": int(SERVER_CORES * WAIT * yielded)}  # fmt: skip


def show(result):
    """Return the report as a Markdown table."""
    hub = result["hub's memory"]
    rows = [
        ("machine", f"{result['cores']} cores, {result['memory'] / GIB:.0f} GiB"),
        ("load of the machine before", f"{result['load before']:.1f}"),
        ("students at once", f"{result['students']}, {result['browsers']} at a real browser"),
        ("hub started in", f"{result['hub started']:.1f} s"),
        ("login to notebook page", _times(result["logged in"])),
        (
            "chapter 1: opened to the first stroke of its first steered curve",
            _times(result["chapter"]["open to curve"]),
        ),
        ("chapter 1: from running that cell to the first stroke", _times(result["chapter"]["press to curve"])),
        ("playground: opened to the first stroke", _times(result["panel"]["open to curve"])),
        ("playground: from Start to the first stroke", _times(result["panel"]["press to curve"])),
        ("memory a student, chapter 1 (PSS)", _sizes(result["memory, chapter"])),
        ("… and the playground beside it", _sizes(result["memory, chapter and panel"])),
        ("… the most that was seen", _sizes(result["memory, most"])),
        ("hub and proxy", f"{hub / GIB:.2f} GiB"),
        ("one student more than seats", f"refused with status {result['one student too many']}"),
        ("LeNet, steps a second, one student alone", f"{result['alone']:.1f}"),
        (f"… {len(result['all at once'])} at once", _speeds(result["all at once"])),
    ]
    for kind in result["greedy, limits"]:
        for limits in ("greedy, limits", "greedy, no limits"):
            beside = "no greedy neighbour" if kind == "nobody" else f"beside {kind}"
            rows.append((f"… {beside}, {limits.partition(', ')[2]}", _speeds(result[limits][kind])))
    greed = result["hoarding"]
    ending = "its kernel lives" if greed["kernel lives"] else "its kernel was restarted"
    rows.append(
        ("asking for all memory", f"held {greed['held'] / GIB:.1f} GiB, then {str(greed['error'])[:90]}; {ending}")
    )
    rows.append(("… the others meanwhile", _speeds(greed["others"])))
    holds = capacity(result)
    server = f"{SERVER_CORES} cores, {SERVER_MEMORY // GIB} GiB"
    rows += [
        (f"{server}, by memory", f"{holds['by memory']} students ({holds['own'] / GIB:.2f} GiB each, shared by all "
         f"{holds['shared'] / GIB:.2f} GiB, a tenth kept)"),
        (f"{server}, by processor", f"{holds['by processor']} students all training at once, each {WAIT} times as long "
         f"as alone (cores yield {holds['yield']:.0%} when shared)"),
        ("test took; processes left behind", f"{result['seconds']:.0f} s; {result['left behind']}"),
    ]  # fmt: skip
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _times(values):
    return f"median {statistics.median(values):.1f} s, worst {max(values):.1f} s"


def _sizes(students):
    totals = [total for total, _, _ in students.values()]
    own = statistics.median(private for _, private, _ in students.values())
    servers = [server for _, _, server in students.values()]
    return (
        f"median {statistics.median(totals) / GIB:.2f} GiB, worst {max(totals) / GIB:.2f}; of it private "
        f"{own / GIB:.2f} (their server: median {statistics.median(servers) / GIB:.2f}, worst {max(servers) / GIB:.2f})"
    )


def _speeds(values):
    return f"{statistics.median(values):.1f} a student"
