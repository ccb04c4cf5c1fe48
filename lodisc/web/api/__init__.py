"""The JSON API: one router a file; no router imports another.

A new file joins `ROUTERS` in `web/app.py`.
"""
