"""How policies are compared: plan, tasks and where they run, figures, statistics, manifest."""
