"""What the benchmarks found, as the tables of docs/performance.md: Markdown, one function a table."""

from collections.abc import Callable

from benchmarks.report import cells
from benchmarks.report.processors import kind_of
from benchmarks.report.targets import Results, best_peer, targets

LEAST_SHARE = 0.5  # of the durations; less shows that the scripts work and measures nothing
FASTEST, USUAL = 4, ("chosen", "OpenCV, level 1", "Pillow, level 1", "Pillow, default")


def machine(results: Results) -> str:
    """What it was measured on, and whether it is a measurement at all."""
    about = results["http"]["machine"]
    own = results["runtimes"]["versions"] | results["http"]["versions"]
    minutes = sum(each["seconds"] for each in results.values()) / 60
    rows = [
        ["CPU", f"{kind_of(about['flags'])}: {about['cores']} cores of {about['cpu']}, {', '.join(about['flags'])}"],
        ["memory", f"{about['memory_gb']} GB"],
        ["versions", cells.versions(own)],
        ["of the peers", cells.versions(results["peers"]["peer_versions"])],
        ["Python", about["python"]],
        ["model", results["http"]["models"]["V2M fp32"]["model"] + ", random weights"],
        ["took", f"{minutes:.0f} minutes"],
    ]
    share = min(each["share"] for each in results.values())
    if share < LEAST_SHARE:
        rows.append(["**no measurement**", f"a trial with {share:g} of the durations"])
    elif share < 1:
        rows.append(["shortened", f"to {share:g} of the durations of `make bench`"])
    return cells.table(["", "measured on"], rows)


def runtimes(results: Results) -> str:
    """Milliseconds a forward pass."""
    found = results["runtimes"]["milliseconds"]
    base = found["OpenVINO fp32"]["median"]
    rows = [[name, *cells.summary(row), f"{row['median'] / base:.2f}"] for name, row in found.items()]
    rows += [[name, f"left out: {reason}", "", "", "", ""] for name, reason in results["runtimes"]["left_out"].items()]
    return cells.table(["one image", "median, ms", "p99", "spread", "n", "of OpenVINO fp32"], rows)


def layers(results: Results) -> str:
    """Where a forward pass goes."""
    rows = []
    for precision, found in results["layers"]["graphs"].items():
        rows += [
            [
                f"{precision}, {row['kind']}",
                f"{row['layers']}",
                f"{row['ms']}",
                f"{row['share']:.1%}",
                f"{row['gflops'] or ''}",
            ]
            for row in found["kinds"]
        ]
        floor = f"{precision}, all of its {found['gflop']:g} GFLOP, as one product of matrices"
        rows.append([floor, "", str(found["floor_ms"]), "", str(found["matrix_gflops"])])
    return cells.table(["kind of layer", "layers", "ms", "share", "10^9 operations a second"], rows)


def settings(results: Results) -> str:
    """Other settings of OpenVINO."""
    rows = [
        [
            f"{precision}, {name}",
            *cells.summary(row["ms"]),
            f"{row['of_served']['median']:.2f}",
            cells.spread(row["of_served"]),
        ]
        for precision, found in results["layers"]["graphs"].items()
        for name, row in found["settings"].items()
    ]
    return cells.table(["a pass", "median, ms", "p99", "spread", "n", "of the served", "spread"], rows)


def drawing(results: Results) -> str:
    """Everything around the model."""
    rows = [[name, *cells.summary(row)] for name, row in results["drawing"]["milliseconds"].items()]
    rows.append(
        ["decode to half the size: largest difference", f"{results['drawing']['halved_differs']} levels", "", "", ""]
    )
    return cells.table(["step", "median, ms", "p99", "spread", "n"], rows)


def encoders(results: Results) -> str:
    """The fastest ways to write a PNG, and those that others would take."""
    rows = []
    for picture, ways in results["drawing"]["encoders"].items():
        for place, row in enumerate(ways):
            if place < FASTEST or row["way"] in USUAL:
                rows.append([f"{picture}, {row['way']}", *cells.summary(row["ms"]), str(row["kilobytes"])])
    return cells.table(["PNG of 600 x 450", "median, ms", "p99", "spread", "n", "kB"], rows)


def throughput(results: Results) -> str:
    """Images a second by OpenVINO alone."""
    found = results["runtimes"]["images_per_second"]
    rows = [[f"{graph}, {name}", *cells.summary(row)] for graph, ways in found.items() for name, row in ways.items()]
    return cells.table(["OpenVINO alone", "images a second, median", "p99", "spread", "n"], rows)


def one_client(results: Results) -> str:
    """Every route beside the bare call."""
    rows = []
    for model, found in results["http"]["models"].items():
        for name, row in found["one_client"].items():
            more = ["of_runtime_call", "above_runtime_call", "above_predict"]
            tail = [f"{row[each]['median']:.2f}" if each in row else "" for each in more]
            rows.append([f"{model}, {cells.route(name)}", *cells.summary(row), *tail])
    titles = [
        "one client",
        "p50, ms",
        "p99",
        "spread",
        "n",
        "of the runtime call",
        "above it, ms",
        "above /predict, ms",
    ]
    return cells.table(titles, rows)


def clients(results: Results) -> str:
    """More clients."""
    rows = []
    for model, found in results["http"]["models"].items():
        for count, routes in found["clients"].items():
            rows += [[f"{model}, {cells.route(name)}", count, *cells.load(row)] for name, row in routes.items()]
    return cells.table(["", "clients", "requests a second", "p50, ms", "p99", "n", "errors"], rows)


def crowd(results: Results) -> str:
    """Eight clients beside what the runtime does alone."""
    rows = []
    for model, each in results["http"]["models"].items():
        found = each["eight_and_bare"]
        row = found["per_second"]
        rows.append([f"{model}, /predict, 8 clients", *cells.summary(row), f"{found['of_best']['median']:.3f}"])
        for name, alone in found["runtime_per_second"].items():
            rows.append(
                [f"{model}, OpenVINO alone, {name}", *cells.summary(alone), "the best" * (name == found["best"])]
            )
    return cells.table(["taking turns", "images a second, median", "p99", "spread", "n", "of the best"], rows)


def batching(results: Results) -> str:
    """Sizes and waits."""
    rows = []
    for way, found in results["batching"]["ways"].items():
        sizes = [
            f"{cells.number(row['per_second']['median'])}, "
            f"{row['of_default']['median']:.2f} ({cells.spread(row['of_default'])})"
            for row in found.values()
        ]
        rows.append([way, *sizes, str(found["8"]["of_default"]["n"])])
    return cells.table(["images in a call", "1 client", "2 clients", "8 clients", "n"], rows)


def peers(results: Results) -> str:
    """The others and Lunar."""
    rows, best = [], best_peer(results)
    for name, row in results["peers"]["peers"].items():
        if "skipped" in row:
            rows.append([name, f"skipped: {row['skipped']}", "", "", "", "", "", ""])
            continue
        label = f"**{name}**" if best and name == best[0] else name
        rows.append([label, *cells.load_pair(row["one"], row["eight"]), cells.median(row.get("explain"))])
    for name, rounds in results["peers"]["ours"].items():
        middle = sorted(rounds, key=lambda each: each["eight"]["per_second"])[len(rounds) // 2]
        rows.append([name, *cells.load_pair(middle["one"], middle["eight"]), cells.median(middle["explain"])])
    titles = [
        "",
        "1 client: a second",
        "p50, ms",
        "8 clients: a second",
        "p50, ms",
        "p99",
        "errors",
        "explain, p50, ms",
    ]
    return cells.table(titles, rows)


def explanations(results: Results) -> str:
    """The tape and the closed form."""
    found = results["explanations"]
    ratios = found["tape_of_ours"]
    rows = [[name, *cells.summary(row)] for name, row in found["milliseconds"].items()]
    for row in rows:
        own = ratios.get(row[0], {})
        row += [", ".join(f"{each['median']:.2f}" for each in own.values())]
        row += [f"{found['largest_difference'][row[0]]:.1g}" if own else ""]
    titles = [
        "image to map",
        "median, ms",
        "p99",
        "spread",
        "n",
        "the tapes take (eager, traced) x",
        "largest difference",
    ]
    return cells.table(titles, rows)


def startup(results: Results) -> str:
    """From the start of the process."""
    rows = [
        [
            name,
            f"{row['first']['ready']:.2f}",
            f"{row['warm']['ready']['median']:.2f}",
            cells.spread(row["warm"]["ready"]),
            f"{row['warm']['answered']['median']:.2f}",
            str(row["warm"]["ready"]["n"]),
            str(row["resident_mb"]),
        ]
        for name, row in results["startup"]["models"].items()
    ]
    titles = ["", "first start to ready, s", "later starts to ready, s", "spread", "to the first answer, s", "n", "MB"]
    return cells.table(titles, rows)


def verdicts(results: Results) -> str:
    """Target, measured, met."""
    rows = []
    for each in targets(results):
        measured = "" if each.measured is None else f"{each.measured:.3g}{each.unit}"
        rows.append([each.what, f"{each.sense} {each.bound:g}{each.unit}", measured, each.verdict])
    return cells.table(["", "target", "measured", "met"], rows)


TABLES: dict[str, Callable[[Results], str]] = {
    "machine": machine,
    "targets": verdicts,
    "runtimes": runtimes,
    "layers": layers,
    "settings": settings,
    "throughput": throughput,
    "drawing": drawing,
    "encoders": encoders,
    "one client": one_client,
    "crowd": crowd,
    "clients": clients,
    "batching": batching,
    "peers": peers,
    "explanations": explanations,
    "startup": startup,
}
