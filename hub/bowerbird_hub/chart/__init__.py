"""The small programs that the chart runs beside the hub: jobs of an upgrade, and the culler."""
