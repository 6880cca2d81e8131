"""The dashboard: pages rendered on the server, each with its JSON, and one stream of changes.

``site.py`` is the table of pages and hangs them on the application; ``pages.py`` is what a page is.
A page is a function from the running service to plain data and a template that shows it: the data
alone is its JSON twin, so both tell the same. Without JavaScript everything is there; with it the
charts are drawn from their tables, and regions follow the service. The packages below know nothing
of HTML, and this one computes nothing that they should.
"""
