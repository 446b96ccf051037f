"""A real CAS server for demonstrations: django-cas-server in a process and an environment of its own.

That server is under the GNU GPL, so no other part of the platform imports this package; it is started by its path.
"""
