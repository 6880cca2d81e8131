from tests.jobs.conftest import clock, db, jobs

__all__ = ["clock", "db", "jobs"]
