"""`bowerbird check --cluster`: what a cluster lacks of what a release of the chart needs, before the roll-out."""
