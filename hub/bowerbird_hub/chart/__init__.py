"""The small programs that the chart runs beside the hub: jobs of an upgrade, and the culler."""

# As whom the chart's pods run; its templates say so, and a test holds both together.
POD_USER = 10001
