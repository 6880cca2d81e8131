"""What people see of the signal lab: page, report, tables, charts, memo."""
