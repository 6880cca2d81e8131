"""Charts as plain data and as places in a box; ``templates/charts.html`` draws them. Pure."""
