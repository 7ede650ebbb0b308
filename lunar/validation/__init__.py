"""`lunar evaluate`: measures a bundle on images that somebody else has labelled, and compares with its card."""
