"""The parts of the chart's values, and the way to Helm."""
