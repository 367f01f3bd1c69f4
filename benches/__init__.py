"""Speed, always beside what plain asyncpg reaches on the same server in the same run."""
