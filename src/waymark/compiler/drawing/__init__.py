"""Pictures of a graph: what is shown (`sketch`), and each form that shows it."""
