"""A FastAPI app that welcomes its users by mail, durably."""
