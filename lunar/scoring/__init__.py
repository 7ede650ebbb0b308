"""`lunar predict`: finds images, classifies them at the runtime's best rate, and writes lines, tables and heat maps."""
