"""The kinds of processor that docs/performance.md keeps apart, and the table of one run on one of them."""

from collections.abc import Collection

from benchmarks.report import cells
from benchmarks.report.targets import Results

# The first kind all of whose instruction sets a processor has is its kind.
KINDS = {
    "AMX": ("amx_bf16", "amx_int8"),
    "AVX-512 with bf16": ("avx512_bf16", "avx512_vnni"),
    "AVX-512 with VNNI": ("avx512f", "avx512_vnni"),
    "AVX-512": ("avx512f",),
    "AVX2": ("avx2",),
}
OTHER = "another"


def kind_of(flags: Collection[str]) -> str:
    """The kind of a processor with these flags, one of KINDS or OTHER."""
    return next((kind for kind, needed in KINDS.items() if set(needed) <= set(flags)), OTHER)


def marker(results: Results) -> str:
    """The name of the table that this run fills; the tables of other kinds stay as they are."""
    return f"precisions, {kind_of(results['precisions']['machine']['flags'])}"


def table(results: Results) -> str:
    """Requests a second in each precision, behind one and eight clients."""
    rows = []
    for model, found in results["precisions"]["models"].items():
        for precision, own in found["precisions"].items():
            one, eight = own["1"], own["8"]
            rates = [
                f"{cells.number(row['per_second']['median'])} ({cells.spread(row['per_second'])})"
                for row in (one, eight)
            ]
            ratios = [f"{row['of_fp32']['median']:.2f} ({cells.spread(row['of_fp32'])})" for row in (one, eight)]
            rows.append(
                [f"{model}, {precision}", rates[0], ratios[0], rates[1], ratios[1], str(eight["per_second"]["n"])]
            )
    titles = ["`/predict`", "1 client: a second", "of fp32", "8 clients: a second", "of fp32", "rounds"]
    return cells.table(titles, rows)
