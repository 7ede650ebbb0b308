"""JSON lines of a run -> the tables of docs/performance.md and the targets. Measures nothing."""
