"""Where a platform's hub runs: on one machine, or in a pod; and what it is told in either place."""
