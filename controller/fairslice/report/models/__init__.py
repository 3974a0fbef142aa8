"""Pictures of models: one module a subject, each with ``draw(problem, answer)``, which returns SVG."""
