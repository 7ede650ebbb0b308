"""Reports: plots, tables and texts of a run or a comparison. Computes no metric."""
