"""Whether a candidate may serve: promotion rules, health rules and confidence intervals; pure."""
