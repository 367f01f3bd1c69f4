"""A Mountaineer app that welcomes its users by mail, durably."""
